"""The calls as a till makes them, in a form that an attack can change in one place."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

KEY: Final = "{key}"
SESSION: Final = "{session}"
"""What stands in a request for the attacker's key, and for a session it may not do anything with any more."""
JSON: Final = "application/json"


class Call(NamedTuple):
    """One call: a body (none for GET), and the places in it, or in the query, where a value can be put."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: str = ""
    """The name of the parameter that takes a value."""

    def fields(self) -> tuple[str, ...]:
        """Where a value can be put."""
        return (*(self.body or {}), *((self.query,) if self.query else ()))


class Sent(NamedTuple):
    """A request before it is bytes: each part can be replaced."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def with_header(self, name: bytes, value: bytes) -> "Sent":
        """The same with a header instead of those of that name."""
        others = tuple(field for field in self.headers if field[0].lower() != name.lower())
        return self._replace(headers=(*others, (name, value)))

    def encode(self) -> bytes:
        """The bytes on the wire; the length is that of the body."""
        headers = self.headers
        if self.body or self.method == "POST":
            headers = (*headers, (b"Content-Length", b"%d" % len(self.body)))
        head = [b"%b %b HTTP/1.1" % (self.method.encode(), self.target), *(b"%b: %b" % field for field in headers)]
        return b"\r\n".join([*head, b"", b""]) + self.body


_ITEM: Final = {"sku": "A", "qty": 1, "unitPrice": 1.5, "category": "FOOD"}
CALLS: Final = (
    # PDI knows no such customer, so that what is otherwise well-formed opens nothing.
    Call(
        "POST",
        "/identify",
        {
            "customerId": "CUST-NOBODY",
            "channelId": "HOSTILE-1",
            "transactionId": "T-1",
            "metadata": {"note": "n"},
            "occurredAt": None,
        },
    ),
    Call(
        "POST",
        "/calculateRewards",
        {"sessionId": SESSION, "transactionAmount": 150, "items": [_ITEM], "redeemPoints": 0},
    ),
    Call(
        "POST",
        "/finalize",
        {
            "sessionId": SESSION,
            "transactionId": "T-CANCELLED",
            "finalAmount": 150,
            "applyRewards": True,
            "quoteId": None,
            "items": [_ITEM],
            "redeemPoints": 0,
        },
    ),
    # To cancel the cancelled session again would be answered as the first time; this one there never was.
    Call("POST", "/cancel", {"sessionId": "sess_00000000000000000000000000000000", "reason": "customer left"}),
    Call("POST", "/return", {"sessionId": SESSION, "returnId": "R-1", "items": None, "amount": None}),
    Call("GET", "/getSessionStatus", query="sessionId"),
    Call("GET", "/sessions", query="cursor"),
    Call("GET", "/health"),
)


def sent(call: Call, body: bytes | None = None, query: bytes | None = None) -> Sent:
    """`call` as a till would send it, with a good key; `body` and `query` instead of its own."""
    headers = ((b"Host", b"loyalty.example"), (b"Authorization", b"Bearer " + KEY.encode()))
    target = call.path.encode()
    if call.query:
        value = SESSION.encode() if call.query == "sessionId" else b""
        target += b"?" + (query if query is not None else call.query.encode() + b"=" + value if value else b"")
    if call.body is None:
        return Sent(call.method, target, headers, b"")
    written = json.dumps(call.body).encode() if body is None else body
    return Sent(call.method, target, (*headers, (b"Content-Type", JSON.encode())), written)
