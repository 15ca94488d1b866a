"""Asks the Python libraries about a list of deliveries.

usage: check.py LIST
"""
import datetime
import json
import sys

import scalekit.client as scalekit
import standardwebhooks.webhooks as standard
import svix.webhooks as svix

real = datetime.datetime


def clock(now):
    """A clock that stands still."""

    class Fixed(real):
        @classmethod
        def now(cls, tz=None):
            return real.fromtimestamp(now, tz)

    return Fixed


for entry in json.load(open(sys.argv[1], encoding="utf-8")):
    parts = {"id": entry["id"], "timestamp": entry["timestamp"], "signature": entry["signature"]}
    headers = {f"webhook-{name}": value for name, value in parts.items()}
    svix_headers = {f"svix-{name}": value for name, value in parts.items()}
    secret, body = entry["secret"], entry["body"]
    standard.datetime = scalekit.datetime = svix.datetime = clock(int(entry.get("now", entry["timestamp"])))
    client = object.__new__(scalekit.ScalekitClient)
    libraries = {
        "standardwebhooks, Python": lambda: standard.Webhook(secret).verify(body, headers),
        "svix, Python": lambda: svix.Webhook(secret).verify(body, headers),
        "svix, Python, its own headers": lambda: svix.Webhook(secret).verify(body, svix_headers),
        "scalekit, Python": lambda: client.verify_webhook_payload(secret, headers, body),
        "scalekit, Python, bytes": lambda: client.verify_webhook_payload(secret, headers, body.encode()),
    }
    for library, verify in libraries.items():
        try:
            verify()
            said, why = "ok", ""
        except Exception as error:
            said, why = "fail", f"{type(error).__name__}: {error}"
        print(json.dumps([entry["name"], library, entry["expect"], said, why]))
