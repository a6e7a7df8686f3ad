// The other library's half of make_interop.py: reads what is asked on stdin, answers on stdout.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const at = createRequire(`${folder}/`);
const { SDJwtVcInstance } = await import(pathToFileURL(at.resolve("@sd-jwt/sd-jwt-vc")));
const { version } = JSON.parse(
  readFileSync(`${folder}/node_modules/@sd-jwt/sd-jwt-vc/package.json`, "utf8"),
);
const asked = JSON.parse(readFileSync(0, "utf8"));

// Keys come as JWKs; the library leaves signing to its caller.
const digestOf = (alg) => (alg === "ES256" ? "sha256" : null);
const signer = (jwk, alg) => async (data) =>
  sign(digestOf(alg), Buffer.from(data), {
    key: createPrivateKey({ key: jwk, format: "jwk" }),
    dsaEncoding: "ieee-p1363",
  }).toString("base64url");
const verifier = (jwk, alg) => async (data, signature) =>
  verify(
    digestOf(alg),
    Buffer.from(data),
    { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );

const instance = (alg, { issuer, issuerPublic, holder }) =>
  new SDJwtVcInstance({
    signer: issuer && signer(issuer, alg),
    signAlg: alg,
    verifier: verifier(issuerPublic, alg),
    kbSigner: holder && signer(holder, alg),
    kbSignAlg: alg,
    kbVerifier: async (data, signature, payload) => verifier(payload.cnf.jwk, alg)(data, signature),
    hasher: async (data) => createHash("sha256").update(data).digest(),
    hashAlg: "sha-256",
    saltGenerator: async () => randomBytes(16).toString("base64url"),
    statusVerifier: async () => true,
  });

const publicOf = ({ d, ...jwk }) => jwk;
const took = async (library, presentation, bound) => {
  try {
    const options = { currentDate: asked.now, skewSeconds: 60 };
    return await library.verify(presentation, bound ? { ...options, keyBindingNonce: asked.nonce } : options);
  } catch {
    return null;
  }
};

const ours = [];
for (const one of asked.ours) {
  const library = instance(one.name, { issuerPublic: one.issuer });
  const read = await took(library, one.presentation, true);
  ours.push({ ...one, read_by_them: read?.payload ?? null, key_bound_by_them: Boolean(read?.kb) });
}

const theirs = [];
for (const [alg, { issuer, holder, claims }] of Object.entries(asked.keys)) {
  const library = instance(alg, { issuer, issuerPublic: publicOf(issuer), holder });
  const present = async (changes, binding, { aud = asked.audience, iat = asked.now } = {}) => {
    const told = { ...claims, ...changes, cnf: { jwk: publicOf(holder) } };
    const credential = await library.issue(told, { _sd: ["birthdate", "age_over_18"], _sd_decoy: 2 });
    const kb = binding ? { kb: { payload: { iat, aud, nonce: asked.nonce } } } : undefined;
    return library.present(credential, { birthdate: true, age_over_18: true }, kb);
  };
  const note = async (name, status, presentation, bound = true) => {
    const taken = (await took(library, presentation, bound)) !== null;
    theirs.push({
      name: `${alg} ${name}`,
      status,
      taken_by_them: taken,
      issuer: publicOf(issuer),
      presentation,
    });
  };
  await note("honest", "verified", await present({}, true));
  await note("bound for another service", "wrong_audience", await present({}, true, { aud: "https://evil.example" }));
  await note("bound long ago", "expired", await present({}, true, { iat: asked.now - 86400 }));
  await note("never bound", "malformed", await present({}, false), false);
}

process.stdout.write(JSON.stringify({ library: { name: "@sd-jwt/sd-jwt-vc", version }, ours, theirs }));
