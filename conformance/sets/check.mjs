// Asks the JavaScript library about security event tokens.
//
// usage: node check.mjs LIST
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";

const { issuer, audience, jwks, tokens } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const keys = createLocalJWKSet(jwks);

for (const entry of tokens) {
  let said = "ok";
  let why = "";
  try {
    const options = { issuer, audience, typ: "secevent+jwt", algorithms: ["ES256"] };
    const { payload } = await jwtVerify(entry.token, keys, options);
    if (payload.sub_id.uri !== "/Users/7") throw new Error("other claims");
  } catch (error) {
    said = "fail";
    why = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify([entry.name, "jose", entry.expect, said, why]));
}
