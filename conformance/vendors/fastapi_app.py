"""An application that parses what it gets and verifies what `json.dumps` makes of it again.

The handler is as the documentation of directory sync shows it. What it answered is written as lines of JSON to the file
WEBHOOK_LOG.
"""
import json
import os

from fastapi import FastAPI, Request
from scalekit.client import ScalekitClient

app = FastAPI()
# The constructor logs in; verification needs none of that.
scalekit_client = object.__new__(ScalekitClient)
accounts = {}


@app.post("/webhook")
async def webhook(request: Request):
    headers = request.headers
    body = await request.json()

    # Verify webhook signature
    scalekit_client.verify_webhook_payload(
        secret=os.getenv("SCALEKIT_WEBHOOK_SECRET"),
        headers=headers,
        payload=json.dumps(body).encode("utf-8"),
    )

    event_type = body.get("type")
    event_data = body.get("data", {})

    if event_type == "organization.directory.user_created":
        # New employee onboarding
        await create_user_account(
            email=event_data.get("email"),
            name=event_data.get("name"),
            groups=event_data.get("groups", []),
        )
    elif event_type == "organization.directory.user_deleted":
        # Employee offboarding
        await deactivate_user_account(email=event_data.get("email"))

    return {"status": "processed"}


async def create_user_account(email, name, groups):
    accounts[email] = {"name": name, "groups": list(groups), "active": True}


async def deactivate_user_account(email):
    accounts.setdefault(email, {})["active"] = False


@app.middleware("http")
async def note(request: Request, call_next):
    status = 500
    try:
        response = await call_next(request)
        status = response.status_code
        return response
    finally:
        line = json.dumps({"id": request.headers.get("webhook-id"), "status": status})
        with open(os.environ["WEBHOOK_LOG"], "a", encoding="utf-8") as file:
            file.write(line + "\n")
