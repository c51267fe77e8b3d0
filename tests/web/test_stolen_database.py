"""What a stolen database is good for, and what is left in it of a person who was forgotten."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest
import redis
from psycopg import sql

from loyalty_adapters.postgres.personal_data import PostgresPersonalData
from loyalty_core.domain.identifiers import ClientId, CustomerId
from loyalty_core.ports.api_keys import ApiKey, Scope
from loyalty_web.api_keys import NewKey, new_key
from tests.pdi import Pdi
from tests.web.counter import give_back, sold
from tests.web.service import PEPPER, Service, running_service, settings
from tests.web.test_archived_sales import put_away

NAME: Final = "Trillian Astra McMillan"
NICKNAME: Final = "Tricia"
"""What tills have noted of the same person."""
CUSTOMER: Final = "CUST-FORGET"
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_ACCOUNTS: Final = """
SELECT id, status, version, redeemed_points, points_reversed, booked_points, new_balance, customer_id, quote::text
  FROM session_rows ORDER BY id
"""
_BLOB: Final = re.compile(r"\\+x((?:[0-9a-f]{2})+)")
_WORD: Final = re.compile(r"[A-Za-z0-9_+/=-]{16,}")


@pytest.fixture
async def sales(database_url: str, redis_url: str, pdi: Pdi) -> AsyncIterator[Service]:
    """A service after a day's work: sales of every end, some of them archived, some queued."""
    await pdi.put_customer(CUSTOMER, name=NAME, tier="Gold", points=5000)
    async with running_service(settings(database_url, redis_url, pdi)) as service:
        await give_back(service, await sold(service, "T-ARCHIVED"))
        for transaction in ("T-CANCELLED-1", "T-CANCELLED-2"):
            cancelled = (await _open(service, transaction)).json["sessionId"]
            await service.post("/cancel", {"sessionId": cancelled, "reason": f"{NICKNAME} left"})
            if transaction.endswith("1"):
                await put_away(service, database_url, redis_url)
        settled = (await _open(service, "T-SETTLED")).json["sessionId"]
        await service.post("/finalize", _pay(settled, "T-SETTLED"))
        await pdi.faults("http_503", endpoints=["finalize"])
        queued = (await _open(service, "T-QUEUED")).json["sessionId"]
        assert 202 == (await service.post("/finalize", _pay(queued, "T-QUEUED"))).status
        await pdi.faults("ok")
        yield service


async def test_a_stolen_dump_opens_nothing(sales: Service, database_url: str, redis_url: str, pdi: Pdi) -> None:
    """No secret is in it, in any spelling, and nothing that is in it is accepted as a key: not a digest, not an id."""
    followed, follower = await _rotated(sales)
    keys = [sales.key, followed.text, follower.text]
    for key in keys:
        assert 200 == (await sales.get("/sessions", key=key)).status
    stolen = _dump(database_url) + _mirror(redis_url)
    assert follower.id in stolen  # it is the whole of it
    secrets = [*keys, *(key.split("_", 2)[2] for key in keys), PEPPER, pdi.client_secret]
    assert [] == [secret for secret in secrets for spelling in _spellings(secret) if spelling in stolen]
    for candidate in sorted(_candidates(stolen, [key.split("_", 2)[1] for key in keys])):
        assert 401 == (await sales.get("/sessions", key=candidate)).status, candidate


async def test_a_person_who_was_forgotten_is_nowhere(sales: Service, database_url: str, redis_url: str) -> None:
    """The name, and what tills have noted of it, is in no table and not in Redis; the accounts are as they were."""
    before, accounts = _dump(database_url), _accounts(database_url)
    for known in (NAME, NICKNAME):
        assert known in before
    assert 4 == await PostgresPersonalData(sales.container.connections()).forget(CustomerId(CUSTOMER))
    left = _dump(database_url) + _mirror(redis_url)
    assert [] == [word for word in (NAME, *NAME.split(), NICKNAME) if word in left]
    assert accounts == _accounts(database_url)
    again = await _open(sales, "T-SETTLED")  # the answer of record, rebuilt
    assert (201, None) == (again.status, again.json["customerName"])


async def _open(service: Service, transaction: str) -> Any:
    body = {"customerId": CUSTOMER, "channelId": "POS-001", "transactionId": transaction}
    return await service.post("/identify", {**body, "metadata": {"note": f"{NICKNAME} pays by card"}})


def _pay(session: str, transaction: str) -> dict[str, Any]:
    return {"sessionId": session, "transactionId": transaction, "finalAmount": 150, "applyRewards": True}


async def _rotated(service: Service) -> tuple[NewKey, NewKey]:
    """A key, and one that has followed it, both still open."""
    old, new = await service.new_key("demo", "POS-002"), new_key()
    now = datetime.now(UTC)
    successor = ApiKey(
        id=new.id,
        digest=service.container.peppers().digest(new.text),
        client=ClientId("demo"),
        channels=("POS-002",),
        scopes=frozenset({Scope.POS}),
        created_at=now,
    )
    assert await service.container.api_keys().succeed(successor, old.id, now, now + timedelta(hours=1)) is not None
    return old, new


def _dump(database_url: str) -> str:
    """Every row of every table, as text, with what is bytes once more as the text it may be."""
    with psycopg.connect(database_url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        assert {"api_keys", "sessions", "sessions_archive", "session_events", "idempotency_answers"} <= set(tables)
        rows = [
            row
            for table in tables
            for (row,) in connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table)))
        ]
    text = "\n".join(rows)
    return text + "\n".join(bytes.fromhex(blob).decode("latin-1") for blob in _BLOB.findall(text))


def _mirror(redis_url: str) -> str:
    """Every key and value that Redis holds."""
    client = redis.Redis.from_url(redis_url)
    held = [(name, client.dump(name)) for name in client.scan_iter()]
    return "\n".join(f"{name!r} {value!r}" for name, value in held)


def _accounts(database_url: str) -> list[tuple[Any, ...]]:
    """What must not change: points, states and versions of every sale."""
    with psycopg.connect(database_url) as connection:
        return list(connection.execute(_ACCOUNTS))


def _spellings(secret: str) -> set[str]:
    """A secret as it stands, and as whoever thinks that is safe would write it."""
    encoded = secret.encode()
    packed = {base64.b64encode(encoded).decode(), base64.urlsafe_b64encode(encoded).decode().rstrip("=")}
    digests = {hashlib.new(name, encoded).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
    return {secret, encoded.hex(), *packed, *digests}


def _candidates(stolen: str, ids: list[str]) -> set[str]:
    """Whatever in it is long enough to be a secret: as a key, and as the secret half of every key."""
    words = set(_WORD.findall(stolen))
    blobs = {bytes.fromhex(blob) for blob in _BLOB.findall(stolen) if len(blob) == 64}
    words |= {base64.urlsafe_b64encode(blob).decode().rstrip("=") for blob in blobs} | {blob.hex() for blob in blobs}
    halves = {word for word in words if 40 <= len(word) <= 64}
    return {*sorted(words)[:100], *(f"lk_{key_id}_{half}" for key_id in ids for half in halves)}
