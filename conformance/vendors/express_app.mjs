// An application that verifies the raw body.
//
// usage: node express_app.mjs PORT. What it answered is written as lines of JSON to the file WEBHOOK_LOG.
import { appendFileSync } from "node:fs";
import express from "express";
import * as sdk from "@scalekit-sdk/node";

const ScalekitClient = sdk.ScalekitClient ?? sdk.default?.ScalekitClient ?? sdk.default;
// The constructor wants an account; verification needs none.
const scalekit = Object.create(ScalekitClient.prototype);
const accounts = new Map();
const app = express();

app.use((req, res, next) => {
  res.on("finish", () => {
    const line = JSON.stringify({ id: req.headers["webhook-id"], status: res.statusCode });
    appendFileSync(process.env.WEBHOOK_LOG, line + "\n");
  });
  next();
});

app.post("/webhook", express.raw({ type: "application/json" }), async (req, res) => {
  const headers = req.headers;
  const secret = process.env.SCALEKIT_WEBHOOK_SECRET;
  const payload = req.body.toString("utf8");

  // Verify webhook signature
  try {
    await scalekit.verifyWebhookPayload(secret, headers, payload);
  } catch (error) {
    // Invalid signature - reject request
    return res.status(400).json({ error: "Invalid signature" });
  }

  // Process event based on type
  const event = JSON.parse(payload);
  switch (event.type) {
    case "organization.directory.user_created":
      accounts.set(event.data.email, event.data.name);
      break;
    case "organization.directory.user_updated":
      accounts.set(event.data.email, event.data.name);
      break;
    case "organization.directory.user_deleted":
      accounts.delete(event.data.email);
      break;
  }

  res.status(201).json({ message: "Processed" });
});

app.listen(Number(process.argv[2]), "127.0.0.1");
