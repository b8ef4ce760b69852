/**
 * Password hashes of other systems by their form, so that a refusal can name the kind of hash that cannot be imported.
 * The first match counts. No name repeats any part of the text.
 */
const families: readonly (readonly [form: RegExp, name: string])[] = [
  [/^$/, "an empty string; write null for a user without a password"],
  [/^(?:!|\*(?![0-9A-F]{40}$))/, "a mark for an account without a password; write null instead"],

  [/^\$argon2(?:id|i|d)\$/, "argon2"],
  [/^\$2x\$/, "bcrypt of the faulty variant $2x$"],
  [/^\$2[aby]?\$/, "bcrypt"],
  [/^\$bcrypt-sha256\$/, "passlib's bcrypt_sha256"],
  [/^\$scrypt\$n=/i, "scrypt as AdonisJS writes it"],
  [/^\$scrypt\$/, "scrypt"],
  [/^\$pbkdf2-[a-z0-9-]+\$i=/, "PBKDF2 as a PHC string"],
  [/^\$pbkdf2(?:-[a-z0-9]+)?\$/, "PBKDF2 as passlib writes it"],
  [/^\$p5k2\$/, "PBKDF2 as $p5k2$"],
  [/^\$wp\$/, "WordPress's bcrypt ($wp$)"],
  [/^\$[PH]\$/, "phpass"],
  [/^\$S\$/, "Drupal's SHA-512"],
  [/^\$1\$/, "md5crypt"],
  [/^\$apr1\$/, "Apache's md5crypt"],
  [/^\$md5[$,]/, "Solaris's md5crypt"],
  [/^\$sha1\$/, "sha1crypt"],
  [/^\$3\$/, "an NT hash"],
  [/^\$5\$/, "sha256crypt"],
  [/^\$6\$/, "sha512crypt"],
  [/^\$7\$/, "scrypt as crypt(3) writes it"],
  [/^\$g?y\$/, "yescrypt"],
  [/^\$8\$/, "Cisco's type 8"],
  [/^\$9\$/, "Cisco's type 9"],
  [/^\$ml\$/, "macOS's salted PBKDF2"],
  [/^\$scram\$/, "passlib's scram"],
  [/^\$(?:argon2|balloon|lyra2|catena|pufferfish)/, "a PHC string of another function"],

  [/^argon2\$/, "Django's argon2"],
  [/^pbkdf2_sha(?:1|256|512)\$/, "Django's PBKDF2"],
  [/^bcrypt_sha256\$/, "Django's bcrypt_sha256"],
  [/^bcrypt\$/, "Django's bcrypt"],
  [/^scrypt\$/, "Django's scrypt"],
  [
    /^(?:md5|sha1|sha224|sha256|sha384|sha512|unsalted_md5|unsalted_sha1)\$/,
    "a salted digest of Django or of Werkzeug before 2.3",
  ],
  [/^pbkdf2:/, "Werkzeug's PBKDF2"],
  [/^scrypt:/, "Werkzeug's scrypt"],
  [/^grub\.pbkdf2\./, "GRUB's PBKDF2"],
  [/^s2:/, "Lucia's scrypt"],
  [/^SCRAM-SHA-(?:1|256|512)\$/, "a SCRAM verifier"],
  [/^sha512:|^sha256:|^sha1:/, "PBKDF2 as algorithm:rounds:salt:hash"],
  [/^\d{1,8}:[0-9a-f]+:[0-9a-f]+$/i, "PBKDF2 as rounds:salt:hash"],

  [/^\{PKCS5S2\}/i, "Atlassian's PBKDF2"],
  [/^\{PBKDF2(?:[-_]SHA\d+)?\}/i, "an LDAP {PBKDF2} hash"],
  [/^\{(?:CRYPT|BLF-CRYPT|SHA256-CRYPT|SHA512-CRYPT|MD5-CRYPT|DES-CRYPT)\}/i, "a {CRYPT} hash of LDAP or Dovecot"],
  [/^\{(?:S?SHA(?:\d{3})?|S?MD5)(?:\.(?:b64|hex))?\}/i, "a salted digest of LDAP"],
  [/^\{ARGON2(?:ID?|D)?\}/i, "an {ARGON2} hash of LDAP or Dovecot"],
  [/^\{bcrypt\}/i, "Spring Security's {bcrypt}"],
  [/^\{(?:argon2|scrypt|pbkdf2)(?:@[A-Za-z0-9_]+)?\}/i, "a hash of Spring Security"],
  [/^\{(?:noop|PLAIN|CLEARTEXT)\}/i, "a password in the clear"],
  [/^\{\s*"/, "a credential in JSON, as Keycloak keeps it"],
  [/^\{[^{}]{1,32}\}/, "a hash with a scheme in braces, as LDAP, Dovecot and Spring Security write it"],

  [/^AQAAAA[A-Za-z0-9+/]{40,}={0,2}$/, "ASP.NET Core Identity's PBKDF2 (version 3)"],
  [/^A[A-Za-z0-9+/]{65}(?:[A-Za-z0-9+/]{2}|==?)$/, "ASP.NET Identity's PBKDF2 (version 2)"],
  [/^\*[0-9A-F]{40}$/, "MySQL's native password hash"],
  [/^0x0[12]00[0-9A-F]+$/i, "SQL Server's password hash"],
  [/^md5[0-9a-f]{32}$/, "PostgreSQL's MD5"],
  [/^[0-9a-f]{32}$/i, "a bare MD5 digest"],
  [/^[0-9a-f]{40}$/i, "a bare SHA-1 digest"],
  [/^[0-9a-f]{56}$/i, "a bare SHA-224 digest"],
  [/^[0-9a-f]{64}$/i, "a bare SHA-256 digest"],
  [/^[0-9a-f]{96}$/i, "a bare SHA-384 digest"],
  [/^[0-9a-f]{128}$/i, "a bare SHA-512 digest"],
  [/^[0-9a-f]{8,}[:.$][0-9a-f]{8,}$/i, "a salt and a hash in hexadecimal, of a function that it does not name"],
  [/^[./0-9A-Za-z]{13}$/, "DES crypt, or a password in the clear"],
];

/** The name of the family that a hash belongs to by its form, or `undefined`. */
export function hashFamily(text: string): string | undefined {
  return families.find(([form]) => form.test(text))?.[1];
}
