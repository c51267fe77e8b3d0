"""Small programs in the place of the service's own, so that the supervisor is judged alone.

`python stand_in.py migrate|keys|serve|work`; each tells what happens to it in `$STAND_IN_EVENTS`, one line each.
A file `$STAND_IN_EVENTS.<role>` makes that role fail at its start.
"""

import json
import os
import secrets
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EVENTS = Path(os.environ["STAND_IN_EVENTS"])
KNOWN_KEYS = EVENTS.with_name("known-keys")


def tell(event: str) -> None:
    with EVENTS.open("a") as events:
        events.write(f"{event}\n")


def make_key() -> None:
    key = f"lk_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"
    with KNOWN_KEYS.open("a") as keys:
        keys.write(f"{key}\n")
    print(f"Key of client demo, shown once: {key}")  # noqa: T201 - what it prints is under test


class Web(BaseHTTPRequestHandler):
    """Answers what the stack and its banner ask, and remembers what it was told."""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {"status": "healthy"})
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in KNOWN_KEYS.read_text().split():
            self._answer(401, {"code": "unauthenticated"})
        else:
            tell(f"GET {self.path}")
            self._answer(200, {"path": self.path})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tell(f"POST {self.path} {json.dumps(body)}")
        self._answer(200, {"sessionId": f"sess_{body.get('transactionId')}", "status": "active"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        print(json.dumps({"level": "info", "message": format % args}), flush=True)  # noqa: T201 - what it prints is under test

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def run_until_told(role: str) -> None:
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    tell(f"{role} started {os.getpid()}")
    print(json.dumps({"level": "warning", "message": f"{role} warns", "port": os.environ["PORT"]}), flush=True)  # noqa: T201 - what it prints is under test
    asked.wait()
    tell(f"{role} stopped")


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run_until_told("web")
    server.shutdown()


def main(role: str) -> None:
    if EVENTS.with_name(f"{EVENTS.name}.{role}").exists():
        sys.exit(f"{role} cannot start: a reason of its own")
    if role == "migrate":
        tell(f"migrated {os.environ['DATABASE_URL']}")
    elif role == "keys":
        make_key()
    elif role == "serve":
        serve()
    else:
        run_until_told("worker")


if __name__ == "__main__":
    main(sys.argv[1])
