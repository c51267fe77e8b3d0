"""Who is worked on, who waits and who is sent away where more comes than can be worked on."""

import asyncio
from collections import Counter

import pytest

from loyalty_core.domain.errors import Overloaded
from loyalty_core.domain.identifiers import ClientId
from loyalty_web.admission import FULL, LATE, TURN, Admission, AdmissionPolicy, Aside, ClockAside, Turn
from loyalty_web.host_settings import BudgetSettings
from loyalty_web.protection_settings import LoadSettings
from tests.pdi import Pdi
from tests.processes import soon
from tests.web.service import Service, running_service, settings

GREEDY, MODEST = ClientId("greedy"), ClientId("modest")


class Door:
    """An admission, and what became of those who came."""

    def __init__(self, at_work: int = 1, waiting: int = 100, patience: float = 30.0) -> None:
        self.shed: Counter[tuple[str, str]] = Counter()
        self.order: list[str] = []
        self.turns: list[Turn] = []
        self.admission = Admission(
            AdmissionPolicy(at_work, waiting, patience), lambda why, client: self.shed.update([(why, client)])
        )

    async def come(self, client: ClientId, count: int = 1) -> list[asyncio.Task[None]]:
        """So many calls of `client`, one behind the other."""
        tasks = [asyncio.create_task(self._enter(client)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks

    async def finish(self) -> None:
        """The call that was let in first is answered."""
        self.turns.pop(0).end()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _enter(self, client: ClientId) -> None:
        turn = await self.admission.enter(client)
        self.order.append(client)
        self.turns.append(turn)

    @property
    def state(self) -> tuple[int, int]:
        return self.admission.at_work, self.admission.waiting


async def test_lines_are_served_in_turn() -> None:
    """Of a client with twenty calls and one with two, each is served as often as the other while it waits."""
    door = Door()
    calls = [*await door.come(GREEDY, 20), *await door.come(MODEST, 2)]
    for _ in range(22):
        await door.finish()
    assert [GREEDY, GREEDY, MODEST, GREEDY, MODEST] == door.order[:5]
    assert (22, (0, 0)) == (len(door.order), door.state)
    await asyncio.gather(*calls)


async def test_the_longest_line_makes_room() -> None:
    """Where no more may wait, whoever has sent most loses the last it sent; a client alone loses what it sends now."""
    door = Door(waiting=5)
    greedy = await door.come(GREEDY, 8)
    assert {(FULL, GREEDY): 2} == door.shed
    modest = await door.come(MODEST, 2)
    assert {(FULL, GREEDY): 4} == door.shed
    assert (1, 5) == door.state
    for _ in range(6):
        await door.finish()
    ended = await asyncio.gather(*greedy, *modest, return_exceptions=True)
    # The first three that came, and of those that waited the first; neither of the modest one's.
    assert [False] * 4 + [True] * 4 + [False] * 2 == [isinstance(result, Overloaded) for result in ended]


async def test_nobody_waits_for_long() -> None:
    """After its patience a call is sent away, and its place is another's."""
    door = Door(patience=0.02)
    await door.come(GREEDY)
    (late,) = await door.come(MODEST)
    with pytest.raises(Overloaded):
        await late
    assert ({(LATE, MODEST): 1}, (1, 0)) == (door.shed, door.state)


async def test_who_hangs_up_leaves_no_gap() -> None:
    """Neither while it waits nor in the very moment in which its turn comes."""
    door = Door()
    await door.come(GREEDY)
    waiting, chosen, last = await door.come(MODEST, 3)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (1, 2) == door.state
    door.turns.pop(0).end()  # the turn of `chosen` has come, and it does not know yet
    chosen.cancel()
    await asyncio.wait([chosen])
    await last
    assert ([GREEDY, MODEST], (1, 0)) == (door.order, door.state)


async def test_who_waits_for_others_is_not_worked_on() -> None:
    """Its place is another's meanwhile, and it goes on at once when it can, whether there is room or not."""
    door = Door()
    await door.come(GREEDY, 2)
    (first,) = door.turns
    first.step_aside()
    first.step_aside()  # two of its tasks, one within the other
    await asyncio.sleep(0)
    assert (2, (1, 0)) == (len(door.order), door.state)
    first.step_back()
    assert (1, 0) == door.state
    first.step_back()
    assert (2, 0) == door.state
    first.end()
    first.step_aside()  # work that goes on when the call is answered
    first.step_back()
    assert (1, 0) == door.state


async def test_tasks_know_whose_they_are() -> None:
    """What a call has started steps aside for it; where there is no call nothing happens."""
    door = Door()
    with Aside():
        assert (0, 0) == door.state
    await door.come(GREEDY)
    TURN.set(door.turns[0])
    seen = []

    class Watching:
        def now(self) -> None: ...
        def monotonic(self) -> None: ...
        async def sleep(self, seconds: float) -> None:
            seen.append((seconds, door.state))

    await asyncio.create_task(ClockAside(Watching()).sleep(3))  # type: ignore[arg-type]  # no time is asked for here
    assert ([(3, (0, 0))], (1, 0)) == (seen, door.state)
    TURN.set(None)


# -- the same over HTTP


async def test_waiting_for_pdi_or_a_twin_takes_no_room(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """With room for one call, ten are at PDI at once, and twenty twins wait for one of them; none is sent away."""
    load, budgets = LoadSettings(at_work=1), BudgetSettings(identify=3.0)
    async with running_service(settings(database_url, redis_url, pdi, load=load, budgets=budgets)) as service:
        await pdi.faults("latency", latencyMs=900, endpoints=["identify"])
        others = [asyncio.create_task(service.identify(f"T-{number}")) for number in range(9)]
        twins = [asyncio.create_task(service.identify("T-TWIN")) for _ in range(20)]
        await pdi.until_at_work(10)
        assert 201 == (await service.identify("T-LATE")).status
        replies = await asyncio.gather(*others, *twins)
    assert {201} == {reply.status for reply in replies}
    assert 1 == len({reply.body for reply in replies[9:]})
    assert (0, 0) == (service.container.admission().at_work, service.container.admission().waiting)


async def test_a_body_that_dribbles_takes_no_room(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """Who takes his time over his body holds up nobody else."""
    async with running_service(settings(database_url, redis_url, pdi, load=LoadSettings(at_work=1))) as service:
        host, port = service.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /identify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        await asyncio.sleep(0.05)
        assert 201 == (await service.identify()).status
        writer.close()


async def test_a_process_without_room_says_so(database_url: str, redis_url: str, pdi: Pdi) -> None:
    """503 with when to come again, nothing done; health, metrics and documentation never wait."""
    load = LoadSettings(at_work=1, waiting=1, patience=0.1)
    async with running_service(settings(database_url, redis_url, pdi, load=load)) as service:
        admission = service.container.admission()
        busy = await admission.enter(GREEDY)
        await _is_refused(service, pdi)
        for path in ("/health", "/health/ready", "/health/live", "/metrics", "/docs"):
            assert 200 == (await service.get(path)).status
        metrics = (await service.get("/metrics")).body.decode()
        assert 'loyalty_calls_shed_total{why="late"} 1.0' in metrics
        waiting = asyncio.create_task(service.identify("T-WAITS"))
        await soon(lambda: admission.waiting == 1, "a call waits")
        busy.end()
        assert 201 == (await waiting).status


async def _is_refused(service: Service, pdi: Pdi) -> None:
    refused = await service.identify("T-REFUSED")
    assert (503, "overloaded") == refused.refusal
    assert int(refused.headers["Retry-After"]) >= 1
    assert 0 == await pdi.calls("identify")
