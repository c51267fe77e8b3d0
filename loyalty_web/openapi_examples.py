"""One sale, from the customer's card to the receipt, as the published description shows it."""

from typing import Any, Final

_SESSION: Final = "sess_0192f3a1c4b27e0d9a6b3c5d7e8f9012"
_QUOTE: Final[dict[str, Any]] = {
    "earnedPoints": 450,
    "multiplier": 3.0,
    "bonusPoints": 150,
    "breakdown": {"basePoints": 300, "tierBonus": 150, "promotions": []},
    "quoteId": "q_0192f3a1c9d17c55b1f0a2b3c4d5e6f7",
    "programVersion": "1",
    "provisional": False,
    "version": 2,
    "lines": [],
    "redemption": None,
}
_FINAL: Final[dict[str, Any]] = {
    "sessionId": _SESSION,
    "status": "finalized",
    "earnedPoints": 450,
    "newBalance": 5450,
    "receiptId": "RCP-2025-001",
    "provisional": False,
}
_RETURNED: Final[dict[str, Any]] = {
    "sessionId": _SESSION,
    "returnId": "RET-1",
    "status": "returned",
    "pointsReversed": 225,
    "pointsRestored": 0,
    "remainingPoints": 225,
    "sessionStatus": "partially_returned",
}

REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "/identify": {"customerId": "CUST-12345", "channelId": "POS-001", "transactionId": "TXN-67890"},
    "/calculateRewards": {
        "sessionId": _SESSION,
        "transactionAmount": 150.00,
        "items": [{"sku": "SKU-001", "qty": 2}],
    },
    "/finalize": {
        "sessionId": _SESSION,
        "transactionId": "TXN-67890",
        "finalAmount": 150.00,
        "applyRewards": True,
    },
    "/cancel": {"sessionId": _SESSION, "reason": "customer left"},
    "/return": {"sessionId": _SESSION, "returnId": "RET-1", "items": [{"line": 0, "sku": "SKU-001", "qty": 1}]},
}
"""By path."""

ANSWERS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("/identify", "201"): {
        "sessionId": _SESSION,
        "status": "active",
        "customerName": "John Doe",
        "currentPoints": 5000,
        "tier": "Gold",
        "expiresAt": "2025-03-17T14:30:45.123456Z",
        "version": 1,
        "provisional": False,
    },
    ("/calculateRewards", "200"): _QUOTE,
    ("/finalize", "200"): _FINAL,
    ("/finalize", "202"): {**_FINAL, "status": "finalizing", "newBalance": None, "provisional": True},
    ("/cancel", "200"): {"sessionId": _SESSION, "status": "cancelled", "version": 2},
    ("/return", "200"): _RETURNED,
    ("/return", "202"): {**_RETURNED, "status": "accepted", "sessionStatus": "finalized"},
    ("/sessions", "200"): {
        "sessions": [
            {
                "sessionId": _SESSION,
                "status": "partially_returned",
                "version": 6,
                "customerId": "CUST-12345",
                "channelId": "POS-001",
                "transactionId": "TXN-67890",
                "earnedPoints": 450,
                "redeemedPoints": 0,
                "pointsReversed": 225,
                "pointsRestored": 0,
                "receiptId": "RCP-2025-001",
                "failure": None,
                "createdAt": "2025-03-16T14:30:45.123456Z",
                "finalizedAt": "2025-03-16T14:31:10.654321Z",
                "closedAt": "2025-03-16T15:02:37.111111Z",
            }
        ],
        "nextCursor": None,
    },
    ("/health", "200"): {"status": "healthy", "timestamp": "2025-03-16T14:30:45Z", "uptime": 3600},
}
"""By path and status."""
