"""A quote on the command line and a quote over HTTP are one and the same."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from loyalty_core.domain.program_examples import example_program_toml
from loyalty_core.use_cases.pricing import Authority
from loyalty_web.cli import main
from loyalty_web.service_settings import Environment, ServiceSettings
from tests.pdi import Pdi
from tests.web.service import running_service, settings

_BASKET: Final[dict[str, Any]] = {
    "transactionAmount": 37.15,
    "items": [
        {"sku": "FLAT-WHITE", "qty": 2, "unitPrice": 4.10, "category": "coffee"},
        {"sku": "OWN-CUP", "qty": 3, "unitPrice": 3.35},
        {"sku": "BEANS-1", "qty": 2, "category": "beans"},
        {"sku": "GIFT", "qty": 1, "unitPrice": 5, "category": "gift_card"},
    ],
}
_OF_THE_SESSION: Final = {"quoteId", "provisional", "version"}


@pytest.mark.parametrize("redeem", [None, 750])
async def test_the_same_explanation(
    database_url: str, redis_url: str, pdi: Pdi, tmp_path: Path, redeem: int | None
) -> None:
    """Every field of the answer to `/calculateRewards` that is not about the session, line by line."""
    program = tmp_path / "program.toml"
    program.write_text(example_program_toml("coffee-bar"), encoding="utf-8")
    at = (datetime.now(UTC) - timedelta(days=1)).isoformat()  # uploaded late, so that the moment is ours to choose
    service = ServiceSettings(environment=Environment.TEST, program=str(program), authority=Authority.LOCAL)
    body = _BASKET if redeem is None else {**_BASKET, "redeemPoints": redeem}
    async with running_service(settings(database_url, redis_url, pdi, service=service)) as running:
        sale = {"customerId": "CUST-12345", "channelId": "POS-7", "transactionId": "T-1", "occurredAt": at}
        session = (await running.post("/identify", sale)).json
        over_http = (await running.post("/calculateRewards", {"sessionId": session["sessionId"], **body})).json
    words = ["quote", "--program", str(program), "--basket", "-", "--tier", session["tier"]]
    words += ["--at", at, "--channel", "POS-7", "--json"]
    offline = await asyncio.to_thread(CliRunner().invoke, main, words, input=json.dumps(body))
    told = json.loads(offline.stdout)
    shared = over_http.keys() - _OF_THE_SESSION
    assert {"earnedPoints", "lines", "redemption", "breakdown"} <= shared
    assert {name: over_http[name] for name in shared} == {name: told[name] for name in shared}
    assert told["earnedPoints"] > 0
