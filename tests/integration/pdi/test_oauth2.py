"""One token for everybody: fetched once, renewed early, replaced once, and never shown."""

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.pdi import CircuitSettings, CircuitState, PdiSettings
from loyalty_adapters.pdi.breaker import Circuit
from loyalty_adapters.pdi.exchange import Exchanges
from loyalty_adapters.pdi.oauth2 import Token, TokenRefused, TokenSource, TokenUnavailable
from tests.integration.pdi.wire_server import Act, Seen, WireServer, answering, http

SECRET = "s3cr3t:ümlaut&"
UNAVAILABLE = http(b"", "503 Service Unavailable")


class Issuer:
    """A token endpoint that numbers its tokens, and can be held up in mid-answer."""

    def __init__(self, **grant: Any) -> None:
        self.issued = 0
        self.grant = grant
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, _seen: Seen, writer: asyncio.StreamWriter) -> None:
        self.issued += 1
        self.asked.set()
        number = self.issued
        await self.gate.wait()
        body = {"access_token": f"token-{number}", "token_type": "bearer", "expires_in": 100} | self.grant
        writer.write(http(msgspec.json.encode(body)))
        await writer.drain()


class Bench:
    """A token source on a manual clock, over a real connection."""

    def __init__(self, server: WireServer, settings: PdiSettings, exchanges: Exchanges) -> None:
        self.server = server
        self.clock = ManualClock()
        self.circuit = Circuit("pdi_token", settings.token_circuit, self.clock)
        self.tokens = TokenSource(settings, exchanges, self.clock, self.circuit)

    @property
    def fetches(self) -> list[Seen]:
        return self.server.calls("/oauth/token")

    async def until_renewed(self, old: Token) -> Token:
        """The token that a renewal behind the scenes brings."""
        (renewal,) = (task for task in asyncio.all_tasks() if task.get_name() == "pdi-token")
        await renewal
        token = self.tokens.at_hand()
        assert token is not None
        assert token is not old
        return token


@asynccontextmanager
async def bench(act: Act, **changes: Any) -> AsyncIterator[Bench]:
    async with WireServer(answering(b""), act) as server:
        settings = server.settings(client_secret=SECRET, **changes)
        async with Exchanges(settings) as exchanges:
            made = Bench(server, settings, exchanges)
            try:
                yield made
            finally:
                await made.tokens.close()


async def test_a_hundred_cold_callers_share_one_fetch() -> None:
    """Whoever comes while the token is on its way waits for the same one."""
    async with bench(Issuer()) as b:
        tokens = await asyncio.gather(*(b.tokens.get() for _ in range(100)))
        assert len(b.fetches) == 1
        assert {token.authorization for token in tokens} == {"Bearer token-1"}
        assert tokens[0] is b.tokens.at_hand()


async def test_the_request_is_that_of_the_client_credentials_grant() -> None:
    """RFC 6749, 4.4 and 2.3.1: form-encoded credentials in the header, the grant type in the body."""
    async with bench(Issuer()) as b:
        await b.tokens.get()
        seen = b.fetches[0]
        assert seen.method == "POST"
        assert seen.body == b"grant_type=client_credentials"
        assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
        credentials = base64.b64decode(seen.headers["authorization"].removeprefix("Basic ")).decode()
        assert credentials == "id:s3cr3t%3A%C3%BCmlaut%26"


async def test_a_caller_who_goes_away_takes_nobody_with_him() -> None:
    """The one who started the fetch is cancelled; those who wait with him get the token of that same fetch."""
    issuer = Issuer()
    issuer.gate.clear()
    async with bench(issuer) as b:
        callers = [asyncio.create_task(b.tokens.get()) for _ in range(10)]
        await issuer.asked.wait()
        callers[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await callers[0]
        issuer.gate.set()
        assert {token.authorization for token in await asyncio.gather(*callers[1:])} == {"Bearer token-1"}
        assert issuer.issued == 1


async def test_fifty_refusals_of_one_token_make_one_renewal() -> None:
    """Also those that come when the renewal is long done: they name the old token and get the new one."""
    async with bench(Issuer()) as b:
        old = await b.tokens.get()
        renewed = await asyncio.gather(*(b.tokens.replace(old) for _ in range(50)))
        renewed += [await b.tokens.replace(old) for _ in range(50)]
        assert len(b.fetches) == 2
        assert {token.authorization for token in renewed} == {"Bearer token-2"}


async def test_a_fresh_token_that_is_refused_too_is_not_renewed_at_once() -> None:
    """While PDI refuses whatever we bring, each call would be sent twice; one try per pause is enough."""
    async with bench(Issuer(), refusal_pause=5.0) as b:
        fresh = await b.tokens.replace(await b.tokens.get())
        b.clock.advance(1)
        with pytest.raises(TokenRefused) as refused:
            await b.tokens.replace(fresh)
        assert refused.value.retry_after == pytest.approx(4)
        assert len(b.fetches) == 2
        b.clock.advance(4)
        assert (await b.tokens.replace(fresh)).authorization == "Bearer token-3"


async def test_a_fresh_token_that_has_been_accepted_is_renewed_at_once() -> None:
    """Revoked twice in a row, and PDI took calls in between: that is no refusal of us."""
    async with bench(Issuer()) as b:
        fresh = await b.tokens.replace(await b.tokens.get())
        fresh.proven = True
        assert (await b.tokens.replace(fresh)).authorization == "Bearer token-3"


async def test_a_token_is_renewed_behind_the_scenes_before_it_ends() -> None:
    """Nobody waits: the old one serves until the new one is there."""
    issuer = Issuer()
    async with bench(issuer, token_skew=30.0) as b:
        old = await b.tokens.get()
        b.clock.advance(69)
        assert old is b.tokens.at_hand()
        b.clock.advance(1)
        issuer.gate.clear()
        for _ in range(50):
            assert old is b.tokens.at_hand()
        issuer.gate.set()
        assert (await b.until_renewed(old)).authorization == "Bearer token-2"
        assert len(b.fetches) == 2


async def test_a_renewal_that_fails_leaves_the_old_token_in_use() -> None:
    """An endpoint that is away for the last minutes of a token's life costs no call; then it does."""
    async with bench(Issuer(), token_circuit=CircuitSettings(failures_in_a_row=2)) as b:
        old = await b.tokens.get()
        b.server.act_on_token = answering(UNAVAILABLE)
        b.clock.advance(70)
        async with asyncio.timeout(5):
            while b.circuit.state is CircuitState.CLOSED:
                assert old is b.tokens.at_hand()
                await asyncio.sleep(0.001)
        assert old is b.tokens.at_hand()
        assert b.tokens.unavailable_for() == 0
        assert len(b.fetches) == 3
        b.clock.advance(29)
        assert b.tokens.at_hand() is None
        with pytest.raises(TokenUnavailable):
            await b.tokens.get()


@pytest.mark.parametrize(("grant", "usable"), [({"expires_in": 20}, 19.5), ({"expires_in": 0.5}, 0.4)])
async def test_a_token_that_lives_shorter_than_the_skew_is_still_used(grant: dict[str, Any], usable: float) -> None:
    """The skew never takes more than half of its life, so that it is not fetched for every call."""
    async with bench(Issuer(**grant), token_skew=30.0) as b:
        old = await b.tokens.get()
        b.clock.advance(usable / 2.1)
        assert old is await b.tokens.get()
        assert [] == [task for task in asyncio.all_tasks() if task.get_name() == "pdi-token"]
        b.clock.advance(usable)
        assert (await b.tokens.get()).authorization == "Bearer token-2"


async def test_a_grant_without_a_life_is_trusted_for_five_minutes() -> None:
    """RFC 6749 only recommends `expires_in`."""
    async with bench(Issuer(expires_in=None)) as b:
        old = await b.tokens.get()
        b.clock.advance(260)
        assert old is b.tokens.at_hand()
        b.clock.advance(40)
        assert b.tokens.at_hand() is not old


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden"])
async def test_refused_credentials_are_not_tried_again_at_once(status: str) -> None:
    """They will not get better by asking; a pause protects the endpoint, whose health is not in doubt."""
    async with bench(answering(http(b'{"error":"invalid_client"}', status)), refusal_pause=5.0) as b:
        for _ in range(20):
            with pytest.raises(TokenRefused):
                await b.tokens.get()
        assert len(b.fetches) == 1
        assert b.circuit.state is CircuitState.CLOSED
        b.server.act_on_token = Issuer()
        b.clock.advance(5)
        assert (await b.tokens.get()).authorization == "Bearer token-1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (UNAVAILABLE, "token_http_503"),
        (http(b"", "404 Not Found"), "token_http_404"),
        (http(b"", "302 Found", "Location: /"), "token_http_302"),
        (http(b"", "429 Too Many Requests", "Retry-After: 9"), "token_http_429"),
        (http(b"<html>"), "token_unreadable"),
        (http(b'{"token_type":"bearer"}'), "token_unreadable"),
        (http(b'{"access_token":""}'), "token_unreadable"),
        (http(b'{"access_token":7}'), "token_unreadable"),
        (http(b'{"access_token":"t\\r\\nX-Evil: 1"}'), "token_unreadable"),
        (http(b'{"access_token":"t","token_type":"mac"}'), "token_unreadable"),
        (http(b'{"access_token":"t","expires_in":0}'), "token_unreadable"),
        (http(b'{"access_token":"t","expires_in":"long"}'), "token_unreadable"),
        (http(b'{"access_token":"' + b"t" * 9000 + b'"}'), "token_unreadable"),
        (http(b'{"access_token":"t","pad":"' + b"x" * 20_000 + b'"}'), "token_oversized_answer"),
        (http(b'{"access_token":"t","pad":' + b"[" * 10_000), "token_unreadable"),
    ],
)
async def test_a_broken_endpoint_is_away(answer: bytes, reason: str) -> None:
    """Anything but a token or a refusal: the call was not sent, and five of them open the endpoint's own circuit."""
    async with bench(answering(answer)) as b:
        for _ in range(5):
            with pytest.raises(TokenUnavailable) as away:
                await b.tokens.get()
            assert reason == away.value.reason
        assert b.circuit.state is CircuitState.OPEN
        assert b.tokens.unavailable_for() == pytest.approx(10)
        with pytest.raises(TokenUnavailable) as left_alone:
            await b.tokens.get()
        assert left_alone.value.reason == "token_circuit_open"
        assert left_alone.value.retry_after == pytest.approx(10)
        assert len(b.fetches) == 5


async def test_too_many_requests_says_when_to_come_back() -> None:
    """The token endpoint's `Retry-After` reaches whoever waits for the token."""
    async with bench(answering(http(b"", "429 Too Many Requests", "Retry-After: 9"))) as b:
        with pytest.raises(TokenUnavailable) as away:
            await b.tokens.get()
        assert away.value.retry_after == 9


async def test_a_fetch_has_a_time_of_its_own() -> None:
    """However patient the callers are."""
    issuer = Issuer()
    issuer.gate.clear()
    async with bench(issuer, token_timeout=0.05) as b:
        async with asyncio.timeout(2):
            with pytest.raises(TokenUnavailable) as away:
                await b.tokens.get()
        assert away.value.reason == "token_timed_out"


async def test_closing_ends_a_fetch_that_is_under_way() -> None:
    """No task outlives the client, and whoever waits is told so."""
    issuer = Issuer()
    issuer.gate.clear()
    async with bench(issuer) as b:
        caller = asyncio.create_task(b.tokens.get())
        async with asyncio.timeout(5):
            await issuer.asked.wait()
            await b.tokens.close()
            with pytest.raises(asyncio.CancelledError):
                await caller
        assert b.circuit.state is CircuitState.CLOSED


async def test_secrets_are_in_no_repr_and_no_error() -> None:
    """Neither ours nor the token, in settings, tokens, or the whole chain of an error."""
    leak = http(b'{"access_token":"token-1","expires_in":{"oops":"token-1"}}')
    async with bench(answering(leak)) as b:
        settings = b.server.settings(client_secret=SECRET)
        with pytest.raises(TokenUnavailable) as away:
            await b.tokens.get()
        b.server.act_on_token = Issuer()
        token = await b.tokens.get()
        shown = [repr(settings), str(settings), repr(token), repr(b.tokens), repr(settings.__rich_repr__())]
        shown += traceback.format_exception(away.value)
        for text in shown:
            assert "token-1" not in text
            assert SECRET not in text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"base_url": "ftp://pdi"}, "base_url"),
        ({"base_url": "pdi.example.com"}, "base_url"),
        ({"base_url": "https://user:hunter2@pdi"}, "base_url"),
        ({"base_url": "https://pdi/?key=hunter2"}, "base_url"),
        ({"token_url": "https://user:hunter2@pdi/token"}, "token_url"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_answer_bytes": 0}, "max_answer_bytes"),
        ({"connect_timeout": 6.0}, "connect_timeout"),
        ({"connect_timeout": 0.0}, "connect_timeout"),
        ({"min_useful_budget": 0.0}, "min_useful_budget"),
        ({"token_timeout": 0.0}, "token_timeout"),
        ({"refusal_pause": -1.0}, "refusal_pause"),
        ({"token_skew": -1.0}, "token_skew"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(changes: dict[str, Any], named: str) -> None:
    """At start, without repeating what may be a password."""
    with pytest.raises(ValueError, match=named) as refused:
        PdiSettings(**({"base_url": "https://pdi", "client_id": "id", "client_secret": SECRET} | changes))
    assert "hunter2" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_the_token_endpoint_is_below_the_base_unless_it_is_given() -> None:
    """With or without a slash at the end of the base."""
    for base in ("https://pdi/api", "https://pdi/api/"):
        settings = PdiSettings(base_url=base, client_id="id", client_secret=SECRET)
        assert settings.token_endpoint == "https://pdi/api/oauth/token"
    given = PdiSettings(base_url=base, client_id="id", client_secret=SECRET, token_url="https://login/t")
    assert given.token_endpoint == "https://login/t"
