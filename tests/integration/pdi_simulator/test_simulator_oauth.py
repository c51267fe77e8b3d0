"""The simulator's tokens."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.pdi_simulator.caller import FORM, Caller, basic
from tests.pdi import CLIENT_ID, CLIENT_SECRET, Pdi

GRANT = "grant_type=client_credentials"


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (GRANT, basic(CLIENT_ID, CLIENT_SECRET)),
        (GRANT, basic(CLIENT_ID.replace("-", "%2D"), CLIENT_SECRET)),
        (f"{GRANT}&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}", {}),
    ],
)
async def test_grants_a_working_token(caller: Caller, form: str, headers: Mapping[str, str]) -> None:
    """Basic authentication, plain or form-encoded, and credentials in the form give a bearer token that works."""
    reply = await caller.send("POST", "/oauth/token", form.encode(), FORM | dict(headers))
    assert (reply.status, reply.body["token_type"], reply.body["expires_in"]) == (200, "Bearer", 3600)
    assert reply.headers["Cache-Control"] == "no-store"
    caller.token = reply.body["access_token"]
    assert (await caller.identify("T1")).status == 200


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        (GRANT, basic(CLIENT_ID, "wrong"), 401, "invalid_client"),
        (GRANT, basic("wrong", CLIENT_SECRET), 401, "invalid_client"),
        (GRANT, {"Authorization": "Basic !!!"}, 401, "invalid_client"),
        (GRANT, {}, 401, "invalid_client"),
        (f"{GRANT}&client_id={CLIENT_ID}", {}, 401, "invalid_client"),
        ("grant_type=password", basic(CLIENT_ID, CLIENT_SECRET), 400, "unsupported_grant_type"),
        ("", basic(CLIENT_ID, CLIENT_SECRET), 400, "unsupported_grant_type"),
    ],
)
async def test_refuses(caller: Caller, form: str, headers: Mapping[str, str], status: int, error: str) -> None:
    """Bad credentials and other grants get RFC 6749's errors."""
    reply = await caller.send("POST", "/oauth/token", form.encode(), FORM | dict(headers))
    assert (status, {"error": error}) == (reply.status, reply.body)


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer nonsense", "Basic {token}", "{token}"])
async def test_every_call_wants_a_good_token(caller: Caller, authorization: str) -> None:
    """Without one each of the five calls is a 401 with a challenge."""
    headers = {"Authorization": authorization.format(token=caller.token)} if authorization else {}
    for method, path in (
        ("POST", "/identify"),
        ("POST", "/calculateRewards"),
        ("POST", "/finalize"),
        ("POST", "/return"),
        ("GET", "/getSessionStatus?sessionId=x"),
    ):
        reply = await caller.send(method, path, b"", headers)
        assert (reply.status, reply.body["code"]) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_revoked_tokens_are_bad(pdi: Pdi, caller: Caller) -> None:
    """After a revocation the old token is refused and a fresh one works."""
    await pdi.revoke_tokens()
    assert (await caller.identify("T1")).status == 401
    await caller.fetch_token()
    assert (await caller.identify("T1")).status == 200


async def test_tokens_expire(tmp_path: Path) -> None:
    """A token is refused once its life is over, and not before."""
    async with Pdi(tmp_path, options=["--token-ttl", "1"]) as pdi, Caller(pdi) as caller:
        assert (await caller.identify("T1")).status == 200
        last = 200
        async with asyncio.timeout(5):
            while last == 200:
                await asyncio.sleep(0.05)
                last = (await caller.identify("T1")).status
        assert last == 401
