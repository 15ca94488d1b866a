// Asks the JavaScript libraries about a list of deliveries.
//
// usage: node check.mjs LIST
import { readFileSync } from "node:fs";
import * as sdk from "@scalekit-sdk/node";
import * as standard from "standardwebhooks";
import * as svix from "svix";

const pick = (module, name) => module[name] ?? module.default?.[name];
const Standard = pick(standard, "Webhook");
const Svix = pick(svix, "Webhook");
const Scalekit = pick(sdk, "ScalekitClient") ?? sdk.default;

for (const entry of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const { id, timestamp, signature, secret, body } = entry;
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
  const svixHeaders = { "svix-id": id, "svix-timestamp": timestamp, "svix-signature": signature };
  Date.now = () => Number(entry.now ?? timestamp) * 1000;
  const libraries = {
    "standardwebhooks, JavaScript": () => new Standard(secret).verify(body, headers),
    "svix, JavaScript": () => new Svix(secret).verify(body, headers),
    "svix, JavaScript, its own headers": () => new Svix(secret).verify(body, svixHeaders),
    "svix, JavaScript, a buffer": () => new Svix(secret).verify(Buffer.from(body), headers),
    "scalekit, JavaScript": () => Object.create(Scalekit.prototype).verifyWebhookPayload(secret, headers, body),
  };
  for (const [library, verify] of Object.entries(libraries)) {
    let said = "ok";
    let why = "";
    try {
      verify();
    } catch (error) {
      said = "fail";
      why = `${error.name}: ${error.message}`;
    }
    console.log(JSON.stringify([entry.name, library, entry.expect, said, why]));
  }
}
