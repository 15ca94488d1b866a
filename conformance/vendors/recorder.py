"""Takes webhooks, and writes each as a line of JSON.

usage: recorder.py PORT FILE
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

port, file = int(sys.argv[1]), open(sys.argv[2], "a", encoding="utf-8")
lock = Lock()


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        names = {"id": "webhook-id", "timestamp": "webhook-timestamp", "signature": "webhook-signature"}
        delivery = {name: self.headers[header] for name, header in names.items()}
        # The body is ASCII; what is not would show as a signature that does not fit.
        delivery["body"] = body.decode("utf-8", "replace")
        delivery["status"] = 200
        with lock:
            file.write(json.dumps(delivery) + "\n")
            file.flush()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", port), Recorder).serve_forever()
