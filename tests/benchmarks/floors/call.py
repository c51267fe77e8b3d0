"""The call floor: bare Litestar, psycopg and aiohttp; the service's statements and PDI calls, and none of its code.

No domain, no authentication, no limits, no logs, no metrics, no traces. The statements are those that the service was
seen to send, prepared, on a pool of the same size.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import aiohttp
import msgspec
from litestar import Litestar, Response, get, post
from litestar.enums import MediaType
from litestar.params import QueryParameter
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from loyalty_web.storage_settings import DatabaseSettings
from tests.benchmarks.captured import Captured, Statement, filled
from tests.benchmarks.floors.bodies import CalculateBody, FinalizeBody, IdentifyBody

_CONNECTIONS: Final = DatabaseSettings(url="").intake_connections
_CONFIGURE: Final = """
SELECT set_config('default_transaction_isolation', 'serializable', false), set_config('jit', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false)
"""
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_ANY: Final = msgspec.json.Decoder()


class Floor:
    """One process's connections."""

    def __init__(self) -> None:
        told = Path(os.environ["FLOOR_STATEMENTS"]).read_bytes()
        self._statements = msgspec.json.decode(told, type=Captured).statements
        self._pool = AsyncConnectionPool(
            os.environ["DATABASE_URL"], open=False, min_size=_CONNECTIONS, max_size=_CONNECTIONS, configure=_configure,
            kwargs={"autocommit": True, "prepare_threshold": 0, "cursor_factory": AsyncRawCursor},
        )  # fmt: skip
        self._host = os.environ["PDI_API_URL"]
        self._headers = {"Content-Type": "application/json"}
        self._client: aiohttp.ClientSession | None = None
        self.redis = Redis.from_url(os.environ["REDIS_URL"])

    @asynccontextmanager
    async def running(self, _: Litestar) -> AsyncIterator[None]:
        """Open everything, fetch a token, close everything."""
        async with self._pool, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            self._client = client
            credentials = aiohttp.BasicAuth(os.environ["PDI_CLIENT_ID"], os.environ["PDI_CLIENT_SECRET"])
            form = {"grant_type": "client_credentials"}
            async with client.post(f"{self._host}/oauth/token", data=form, auth=credentials) as answer:
                token = (await answer.json())["access_token"]
            self._headers["Authorization"] = f"Bearer {token}"
            yield
            await self.redis.aclose()

    async def ask(self, call: str, body: Any, **headers: str) -> Any:
        """One PDI call."""
        assert self._client is not None
        sent = self._client.post(f"{self._host}/{call}", data=_ENCODER.encode(body), headers=self._headers | headers)
        async with sent as answer:
            return _ANY.decode(await answer.read())

    def statements(self, call: str) -> list[Statement]:
        """What the service sends to the database for `call`."""
        return self._statements[call]

    async def run(self, statement: Statement, slots: dict[str, str]) -> tuple[Any, Any]:
        """One statement in a transaction of its own; its first row, and the names of its columns."""
        values = [filled(template, slots) for template in statement.parameters]
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement.text.encode(), values, prepare=True, binary=True)
            return await cursor.fetchone(), cursor.description


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(_CONFIGURE)


_floor: Floor


@post("/identify", status_code=201)
async def identify(data: IdentifyBody) -> Response[bytes]:
    """Look the key up, ask PDI, write the session."""
    probe, insert = _floor.statements("identify")
    session = uuid4()
    slots = {
        "session": str(session), "session_hex": session.hex, "customer": data.customer_id,
        "transaction": data.transaction_id, "now": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    await _floor.run(probe, slots)
    reply = await _floor.ask("identify", data)
    await _floor.run(insert, {**slots, "host_session": reply["sessionId"]})
    return _answer({**reply, "sessionId": f"sess_{session.hex}"}, 201)


@post("/calculateRewards", status_code=200)
async def calculate(data: CalculateBody) -> Response[bytes]:
    """Read the session, ask PDI, write the quote."""
    find, update = _floor.statements("calculateRewards")
    slots = _slots(data.session_id)
    await _read(find, slots)
    reply = await _floor.ask("calculateRewards", msgspec.structs.replace(data, session_id=slots["host_session"]))
    await _floor.run(update, slots)
    return _answer(reply)


@post("/finalize", status_code=200)
async def finalize(data: FinalizeBody) -> Response[bytes]:
    """Look for an answer, read the session, write the intent, ask PDI, write the outcome, keep the answer."""
    await _floor.redis.get(f"floor:{data.session_id.removeprefix('sess_')}")
    find, intent, *outcome = _floor.statements("finalize")
    slots = _slots(data.session_id)
    await _read(find, slots)
    (written,), _ = await _floor.run(intent, slots)
    slots["address"] = written
    order = {
        "sessionId": slots["host_session"], "transactionId": data.transaction_id, "finalAmount": data.final_amount,
        "applyRewards": True, "earnedPoints": 450, "redeemPoints": 0, "items": [], "programVersion": "1",
        "receiptId": f"RCP-{data.session_id}",
    }  # fmt: skip
    reply = await _floor.ask("finalize", order, **{"Idempotency-Key": f"{data.session_id}:1"})
    for statement in outcome:
        await _floor.run(statement, slots)
    await _floor.redis.set(f"floor:{slots['session_hex']}", _ENCODER.encode(reply), ex=600)
    return _answer(reply)


@get("/getSessionStatus")
async def status(session: Annotated[str, QueryParameter(name="sessionId")]) -> Response[bytes]:
    """Read the session."""
    (find,) = _floor.statements("getSessionStatus")
    slots = _slots(session)
    await _read(find, slots)
    return _answer({"sessionId": session, "status": slots["host_session"]})


@post("/replay", status_code=200)
async def replay(data: FinalizeBody) -> Response[bytes]:
    """What a repeated finalize takes: one look into Redis."""
    held = await _floor.redis.get(f"floor:{data.session_id.removeprefix('sess_')}")
    assert isinstance(held, bytes), "the sale was not finalized before"
    return Response(held, media_type=MediaType.JSON)


def _slots(session_id: str) -> dict[str, str]:
    hexadecimal = session_id.removeprefix("sess_")
    parts = (hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20], hexadecimal[20:])
    return {"session": "-".join(parts), "session_hex": hexadecimal, "now": ""}


async def _read(find: Statement, slots: dict[str, str]) -> None:
    """Take from the session's row what the statements after it need."""
    row, columns = await _floor.run(find, slots)
    for column, value in zip(columns, row, strict=True):
        if column.name in {"host_session", "address", "customer_id", "transaction_id"}:
            slots[{"customer_id": "customer", "transaction_id": "transaction"}.get(column.name, column.name)] = value


def _answer(body: dict[str, Any], status_code: int = 200) -> Response[bytes]:
    return Response(_ENCODER.encode(body), status_code=status_code, media_type=MediaType.JSON)


def application() -> Litestar:
    """The application of one process."""
    global _floor  # noqa: PLW0603 - a floor has no container
    _floor = Floor()
    return Litestar(
        [identify, calculate, finalize, status, replay],
        lifespan=[_floor.running],
        openapi_config=None,
        logging_config=None,
    )
