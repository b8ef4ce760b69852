/** The password that every hash here was made of. */
export const REFUSED_PASSWORD = "correct horse battery staple";

/** Hashes of families, or of forms of a family, that are refused at the import, by the system that writes them. */
export const refusedHashes: readonly (readonly [writtenBy: string, hash: string, named: string])[] = [
  [
    "passlib bcrypt_sha256 v2",
    "$bcrypt-sha256$v=2,t=2b,r=6$Elz9Xz4xqxNls00bB61GBO$amJB4HGzKcyyQngL9E6D/CgjQk1Vb5e",
    "passlib's bcrypt_sha256",
  ],
  [
    "passlib bcrypt_sha256 v1",
    "$bcrypt-sha256$2b,6$g5cvoPggRlUjE/wDj1oCLe$4Nmxm7/R4VGuvCaHsMChaG4QGMbO.Yu",
    "passlib's bcrypt_sha256",
  ],
  [
    "passlib sha512_crypt",
    "$6$cMw4dsVrTiLUMzDm$Dn.mUZ9a/h5wVvy/En0u9EbozN3s82GI4ArSphhtwIH/CDXCwfMrYeRcwGuBdEy6apyTpAMNwl2yT.nDrwvre1",
    "sha512crypt",
  ],
  ["passlib sha256_crypt", "$5$dHIdb4Mz9k/.Hxi4$az5AmZlQxKACFePEvoBJLq8qu39L9f/duN0UESyyhx4", "sha256crypt"],
  ["passlib phpass", "$P$6Z8IQQg8Jlsmeo20lfHv2Xp0MCZczA/", "phpass"],
  ["passlib cta_pbkdf2_sha1", "$p5k2$7d0$8X5v7R3DuBfC-N97r3UuJQ==$2hcuFAgVn-LkQvXQVfsvV8yBozY=", "PBKDF2 as $p5k2$"],
  ["passlib dlitz_pbkdf2_sha1", "$p5k2$7d0$VcJdCBn2HRNwe9s/$bUOGcsYySzJHDdxL9HCyI/thIvSda1zB", "PBKDF2 as $p5k2$"],
  [
    "passlib grub_pbkdf2_sha512",
    "grub.pbkdf2.sha512.2000.7BEF5D2B45E83D8730E6DCDB1B03A0B4768E3186F0FEFF3F27C4B817622CE59C334688913246E85D8B11A2744E0941A83546C8B9578AF1FE7F4F09612CA594F2.650CD4099986C57404DBD689813B85ADDEA3D396ACE0A78625E76FA953A02C3C9551EE6ADAA982AB2917C7E514F634C992E7F79AE4F60F0451347AC96B78A16F",
    "GRUB's PBKDF2",
  ],
  [
    "passlib ldap_pbkdf2_sha256",
    "{PBKDF2-SHA256}2000$PAdAqFWqdQ5ByBljrNWa8w$yRdjBV.UjSTn8JN/gOuGPG482S2dA3IIZiXmvtmC40U",
    "an LDAP {PBKDF2} hash",
  ],
  ["passlib ldap_bcrypt", "{CRYPT}$2b$06$lYyreheI/0urBIxb/fsNRer05EML22q9F9JP//DrMt0L.7Xb2IhPW", "a {CRYPT} hash"],
  [
    "passlib atlassian_pbkdf2_sha1",
    "{PKCS5S2}E0JIae39vxciRKg1JuTce/97+TIxbAp3k/zRREWvwkGzZRIS3V6lwOwj8E5j2bxC",
    "Atlassian's PBKDF2",
  ],
  [
    "werkzeug <2.3 sha256$ (tutorials)",
    "sha256$abcdEFGH$f39832953888dcfd1a5c7206378f4e38bad8f570b8a8742fd92202207379b63e",
    "a salted digest of Django or of Werkzeug before 2.3",
  ],
  [
    "django pbkdf2_sha256",
    "pbkdf2_sha256$1000000$6lcI7W4XALI6sFfkBcJoJD$P8X0Nr7UeQn53as+ragkVhd51ujnCoQsXH6ertwhnaw=",
    "Django's PBKDF2",
  ],
  ["django pbkdf2_sha1", "pbkdf2_sha1$1000000$TzfF7PxdomXx8kbZs7J66Q$DvDvZ56iLhloj/MHgwyRpGM1iu0=", "Django's PBKDF2"],
  [
    "django argon2",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$YWNQQ3BXRlM3ODJzbzJaT3pjS0xncA$+tI5x4/GJpydM466LK7llO3/ZYyRmA9uy70LKS9hcTw",
    "Django's argon2",
  ],
  [
    "django bcrypt_sha256",
    "bcrypt_sha256$$2b$12$UczRayIdIJR0T.TOl5sszO1vV3gVKxwQ4CiFUee53zlGJW.c7IctG",
    "Django's bcrypt_sha256",
  ],
  ["django bcrypt", "bcrypt$$2b$12$pKV8dWG57xORIDixltqo1.fTWEiYkAUchnWDiw0RVMY4oWxtlH/Pa", "Django's bcrypt"],
  [
    "django scrypt",
    "scrypt$16384$9jDTAhVu8fyHvtO56G5XrG$8$5$pjvUbKPLpwN46xxpYspLqZ8mOdkX5+FmklEjUYFENHS7NUWd+tG7kKeDa6KT1GZZzNr7yG1balzNH5sVUbSiPw==",
    "Django's scrypt",
  ],
  [
    "spring {bcrypt}",
    "{bcrypt}$2a$06$/SgVMONI2i9tYFmq5kXN9.pJIhEYbe74jOPlQ5JNiJxs4kPlz8cEK",
    "Spring Security's {bcrypt}",
  ],
  [
    "django-style bcrypt$ prefix",
    "bcrypt$$2b$06$pedt4DIYo5CS/9LgNiwE1.h75atpxOYdu.3NTxd3pn4FC.4BW0Njq",
    "Django's bcrypt",
  ],
  ["dovecot {BLF-CRYPT}", "{BLF-CRYPT}$2y$06$6Wx.kmIYFnT/jmFVyjlm6uRFfibXav15yS3qAhknkEGCEER/OB8AS", "a {CRYPT} hash"],
  [
    "phc pbkdf2 i=,l= (Rust)",
    "$pbkdf2-sha256$i=2000,l=32$/vRR69k2H3kEFTW1pfqhBA$uddf2U5ZbMrVgshFRJpfNHteOW3YH97yk7GttzRXB1A",
    "PBKDF2 as a PHC string",
  ],
  [
    "phc pbkdf2 i= (no l)",
    "$pbkdf2-sha512$i=2000$/vRR69k2H3kEFTW1pfqhBA$ZSt7X/2QM592CXfryU2G36v+zCOWqDrcgcACp5uclcrjmbkJBZUhAEmaxDuSHiglWkEX4CSxtXLYj2IXsdzWhQ",
    "PBKDF2 as a PHC string",
  ],
  [
    "adonis scrypt $scrypt$n=",
    "$scrypt$n=4096,r=8,p=1$/vRR69k2H3kEFTW1pfqhBA$Bkez8YIoCCyoVEPgzdjncvKNRDzYWwQk4scaqNydC6q4CbGieYQIocRrHs5GqWyDvp2qAJ6dkT4L+Zg3Ok4Qpg",
    "scrypt as AdonisJS writes it",
  ],
  [
    "aspnet identity v3",
    "AQAAAAEAACcQAAAAEP70UevZNh95BBU1taX6oQSFJSc87iFsDAmpZcN94FECXlT5tXt0r7BjUfbG0rItmQ==",
    "ASP.NET Core Identity's PBKDF2",
  ],
  [
    "aspnet identity v3 sha512",
    "AQAAAAIAAYagAAAAEP70UevZNh95BBU1taX6oQTUkjeOLUK3XDdFJQzpIOQeAbPULkHJiennAXUk2bEgEA==",
    "ASP.NET Core Identity's PBKDF2",
  ],
  [
    "lucia v2 s2:",
    "s2:abcdefgh12345678:5e655a2ca25d0e917eeb6d33f3b9c207904017f1c2ee6b794338e45e7a24913e8e9fe6b1c5d3d248d45f7a97dc4f30d1a7fac8e71c808aaa4f82e35871f700ad",
    "Lucia's scrypt",
  ],
  ["wordpress 6.8 $wp$", "$wp$2y$06$B2W9AZPhSCi1TlggVVvSTe7p4vjMPdYRQtTfVbWUNvPMuySXxVOEe", "WordPress's bcrypt"],
  [
    "keycloak json",
    '{"value": "ZSt7X/2QM592CXfryU2G36v+zCOWqDrcgcACp5uclcrjmbkJBZUhAEmaxDuSHiglWkEX4CSxtXLYj2IXsdzWhQ==", "salt": "/vRR69k2H3kEFTW1pfqhBA==", "additionalParameters": {}}',
    "a credential in JSON",
  ],
  [
    "bcrypt of phpass-ish 2x",
    "$2x$06$vJrA2aRS5jfF7eXWQ0W03ePF53Z34nduL7IMXQDhorhHgXNX6c/qS",
    "bcrypt of the faulty variant",
  ],
  ["sha1 hex", "abf7aad6438836dbe526aa231abde2d0eef74d42", "a bare SHA-1 digest"],
  ["md5 hex", "9cc2ae8a1ba7a93da39b46fc1019c481", "a bare MD5 digest"],
];

/** Hashes in forms that few systems write, and that are taken. */
export const unusualHashes: Readonly<Record<string, string>> = {
  "passlib argon2 salt_size 80":
    "$argon2id$v=19$m=8192,t=2,p=1$hBDCWCtFKEUIIURISWkNgTBmbO3de+99zxkDoJRSijEmhLB27p3zXmvtvXeO8R7j/D+nVAqBMAZAyDknZEzJWcuZ0xqjFMJ4b03JuVfq/b8$YUnMYK58cxk/baC5XBa3YXpHacWwbeTCSJ6xQoTZzCU",
  "passlib pbkdf2_sha256 salt 0": "$pbkdf2-sha256$2000$$LJg9OF2i2SKR4/hkKABuGglU6AX5nuNCSR8Dtv80/fA",
  "passlib pbkdf2_sha256 salt 128":
    "$pbkdf2-sha256$2000$a61Vam3NOccY45yz9h4jhNBay3lPqXWOcQ6BcO4dY4wRYgxhLMV4by0lBGCsVYpx7n2vtVYKYUwJ4XzvPSdk7F2L0VorpdR6j1EqJaQ0Rqj13nvv/d9bSwmh9P4/pzQm5LwXQmjN.R9jTKmV8r5XqjUmRGhNqdW6F4IQopRSipE$M44DGw3VWi8rGTdwHT9U/AtMUzkYWeNa2.odenIp3xw",
  "passlib scrypt salt 0": "$scrypt$ln=12,r=8,p=1$$WRk/BVhg3oO/fHIx4ETliKqpgXeBTRZLcZXOckYUCyE",
  "werkzeug pbkdf2:sha224":
    "pbkdf2:sha224:2000$wIQ7dqc9YH7nau9j$c6bd445f8afde16c829a39bfaa37d6304d70579ccb949da37433ff26",
  "werkzeug pbkdf2:sha384":
    "pbkdf2:sha384:2000$0IEfQyRBonipEKlz$2e51800679789c5258b482b44ebe66891d9509732d13f9ca45d1a98d812c8770085893a6fdac7bb14e6191d7b306dcef",
  "werkzeug pbkdf2:md5": "pbkdf2:md5:2000$hL00VU30A6kimkE2$c764541488ed94ee539cd5e66e7cb8d0",
  "werkzeug pbkdf2:sha3_256":
    "pbkdf2:sha3_256:2000$JcWv54RRFXPDocXl$498e91397df1ac6fe1d20221e19b9428cc94c0a56a7f171f1f38494b47ac0de7",
  "werkzeug pbkdf2:blake2b":
    "pbkdf2:blake2b:2000$hHKPDxRH3TWF1w34$d8a8d5d57c77d908164e6d31928c9550ca82742df7403b8e0cc741e56663bd4cbbd0c587b920ef2537130e6459fa620f873bfa18d807620f5bd424d87636e13c",
  "werkzeug salt_length 100":
    "pbkdf2:sha256:2000$yMsVnFLUJmQfvT10bT3z5R9uk0h24Yk9Z5GDWf8nB65bh0CZhwcrzP514DJfdsib0jCsMfmuQwbnoHfDNhfyzfqzBEarXGaP8Xun$97275291e317ca6fbdf72a9e5a43ef2c583f061fca8e9c4932e5f7559f52cce4",
  "argon2 order t,m,p (Adonis/phc-argon2)":
    "$argon2id$v=19$t=2,m=8192,p=1$nD4VjCi61PQm/Fz/BNNZ5w$RUu22d9uFnbNOwkZ28TxMBNw/A3u/QZDOlKZY8DQ8MI",
  "argon2 padded base64":
    "$argon2id$v=19$m=8192,t=2,p=1$nD4VjCi61PQm/Fz/BNNZ5w$RUu22d9uFnbNOwkZ28TxMBNw/A3u/QZDOlKZY8DQ8MI=",
  "argon2 trailing newline":
    "$argon2id$v=19$m=8192,t=2,p=1$nD4VjCi61PQm/Fz/BNNZ5w$RUu22d9uFnbNOwkZ28TxMBNw/A3u/QZDOlKZY8DQ8MI\n",
  "argon2 trailing spaces (CHAR column)":
    "$argon2id$v=19$m=8192,t=2,p=1$nD4VjCi61PQm/Fz/BNNZ5w$RUu22d9uFnbNOwkZ28TxMBNw/A3u/QZDOlKZY8DQ8MI   ",
  "node: salt:hash crypto.scrypt default":
    "fef451ebd9361f79041535b5a5faa104:bdce9dbb7e274afbed7ea2e44b0d87bdecfd97fa103d4d0261476502cb738c11517c1ed5a4ee7d35aa16eacf812e866b6039d16ea44cc9d3d8721fe8e70f6087",
  "npm argon2 0.45.1 (m,p,t)":
    "$argon2id$v=19$m=65536,p=4,t=3$loH62HCrUdHBoxw4OeAXcQ$JyEXgtGlY2iIugMM5hopZ2kJbFPnSemjBYVbS3uYtGQ",
  "npm @phc/argon2 1.0.9 (t,m,p)":
    "$argon2id$v=19$t=3,m=4096,p=1$qLEqia+XW2fKThOMqOOpFw$fBr9FNGGjghkcn9ag6IiykSetY9F/AziU3zYpvEowXI",
};
