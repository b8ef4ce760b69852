/** The password that every hash here was made of. */
export const FOREIGN_PASSWORD = "Pässwörd of Ada";

/**
 * Hashes made by the systems themselves: passlib 1.7.4, Werkzeug 3.1 and Better Auth 1.7.12.
 */
export const foreignHashes: Readonly<Record<string, string>> = {
  "passlib bcrypt": "$2b$10$Pk3grdsk535X5tng0/84SeJM1OEQsQvxH1u6.eVlYpzYG9dmBhkZO",
  "passlib bcrypt 2a": "$2a$10$IXzozxF.nTQmc9Y1KXt/f.rbWW.wOm3D7VM5O4hzryNs.syHzK092",
  "passlib bcrypt 2y": "$2y$10$B93UILsEPttSyRZHmxyxZepYenMmnPmOVumjfJ.jHEVlsjPMPEOH.",
  "passlib argon2": "$argon2id$v=19$m=65536,t=3,p=4$X8uZc04pBYBQSomRcu7dmw$w4hd4WUnbJhXQ902Ag/l82eKpqD/qHGUFUWtdV5twW4",
  "passlib argon2i": "$argon2i$v=19$m=65536,t=3,p=4$QAihtDZGiJGyVmptLcWY8w$HsVP/rY/7asDfGhGy52Z8imrIRzajKqAZJTip/P0apU",
  "passlib argon2d": "$argon2d$v=19$m=65536,t=3,p=4$4HzPmXOuNUboHeO8t7b2Pg$/GXJmLfZQLF4Wu6ZkWsobO1F4MWCaVc3lN2AFnYj0gA",
  "passlib pbkdf2_sha1": "$pbkdf2$20000$SylFKAVgLKU0xtjbey/FmA$dt5PkV51KuyrrsKhrD3KTq.u/8s",
  "passlib pbkdf2_sha256": "$pbkdf2-sha256$29000$dq619v7fu1dqTem913pPKQ$TH33x0uWldBfuYfEUa4EL0fV72OqS.eS51mJMjtTgWo",
  "passlib pbkdf2_sha512":
    "$pbkdf2-sha512$25000$Uur9X8tZy5lzbs25N6YUYg$ir39kreJe3HzInCIgKrCgkIBW8xcn1x5xRR82Ioi5T49hd4rD84sz2g7wwxzXsOyck1FEAHl7iGrMVPa1FwmsA",
  "passlib scrypt": "$scrypt$ln=16,r=8,p=1$rVWKkTIGoBSCMCZEyJlzrg$BEuC7eEtsHqCXD+uQ3RZNYrRIflN6eDa9JCfnSg615E",
  "passlib scrypt of few rounds":
    "$scrypt$ln=14,r=8,p=1$zdn7n5PyHqMUAqBUCkFIqQ$4ONxI12lR7EhEpMPncc028u8oquogA+icvfFMDPXwz0",
  "werkzeug scrypt":
    "scrypt:32768:8:1$Fsn4jodxxwC5p11u$535487acafbab1ca8f783704aa5d0065938684ef362879e74357b6f64d6872cdff8a12a1944ae7e5d633402571bc919a557c002fdc6078bc428383b2b74abbfa",
  "werkzeug pbkdf2":
    "pbkdf2:sha256:100000$kgKf0TofNmZUwy31$f1cb456f3b9edf81cbcadf117ca4ee66ab556cd66654f27ace34565b49cc12f6",
  "werkzeug pbkdf2:sha512":
    "pbkdf2:sha512:50000$63YZoYQgO5JlzEFO$cd4917b30f1e8b8bafe1247dac236e96c882265d807a79d1419108445ab1ef4af98f65480a09eafabfb16c310556c8c2c3738fa22ef8f0908cf100c6392066d1",
  "Better Auth":
    "284ad18fb1b6913a1371c06a50e91439:00fc5f59f41af77d3e4d6c8fbddded7d8f41fac61c35b3e578eb8999254654ef7b5cf1fe8797f64f397a374a4d0b9691b20b2bb82282d216490a4afd7740757c",
};

/** The same of another password, "ﬁne Pässwörd of Ada", whose first character is a ligature: Better Auth takes it in NFKC. */
export const LIGATURE_PASSWORD = "ﬁne Pässwörd of Ada";
export const betterAuthLigatureHash =
  "de0e6be59a856dae5f0a1c09088ed2d8:d2d65c5eac9bed53ba3b92a7cfde070c96155161f66a47570f547c84148ff0d82a95d9fb6c3191bc801b9969b7ed05657deec92439f9baeabd60df152ae26ad2";
