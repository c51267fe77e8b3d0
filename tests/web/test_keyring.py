"""Keys as they are presented: what opens, how fast a revocation is felt, and what is kept and noted of them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from typing_extensions import override

from loyalty_adapters.memory.api_keys import MemoryApiKeys
from loyalty_adapters.memory.clock import ManualClock
from loyalty_core.domain.channel_patterns import check_channel_pattern
from loyalty_core.domain.errors import StorageUnavailable, ValidationFailed
from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, KeyId, KeyUse, Scope
from loyalty_web.api_keys import Peppers, key_id_of, new_key
from loyalty_web.keyring import COARSELY, REMEMBERED, STALE_AFTER, Keyring

OLD = "the pepper before, of 32 letters."
NEW = "the pepper in use, of 32 letters."


class CountingKeys(MemoryApiKeys):
    """Counts look-ups, and can be away."""

    looked_up = 0
    away = False

    @override
    async def find(self, key_id: KeyId) -> ApiKey | None:
        self.looked_up += 1
        if self.away:
            raise StorageUnavailable
        return await super().find(key_id)


class RecordingKeys(MemoryApiKeys):
    """Remembers what it was told of uses."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[KeyUse] = []

    @override
    async def record_uses(self, uses: Sequence[KeyUse]) -> None:
        self.recorded += uses
        await super().record_uses(uses)


async def a_key(keys: MemoryApiKeys, peppers: Peppers, clock: ManualClock, days: int | None = None) -> str:
    made = new_key()
    await keys.add(
        ApiKey(
            id=made.id,
            digest=peppers.digest(made.text),
            client=ClientId("acme"),
            channels=("POS-*",),
            scopes=frozenset({Scope.POS}),
            created_at=clock.now(),
            expires_at=None if days is None else clock.now() + timedelta(days=days),
        )
    )
    return made.text


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_only_the_whole_key_opens(clock: ManualClock) -> None:
    """Not its id with another secret, not a longer or shorter one, not another key's secret."""
    keys = MemoryApiKeys()
    ring = Keyring(keys, Peppers(NEW), clock)
    key, other = await a_key(keys, Peppers(NEW), clock), await a_key(keys, Peppers(NEW), clock)
    assert (await ring.open(key)) is not None
    mixed = key[:20] + other[20:]
    for wrong in ("", "lk_", key[:-1], key + "A", key.upper(), mixed, f"lk_{'0' * 16}_{key[20:]}", " " + key):
        assert await ring.open(wrong) is None


async def test_a_revocation_is_felt_within_a_second(clock: ManualClock) -> None:
    """Until then the key is not looked up again, however often it is used."""
    keys = CountingKeys()
    ring = Keyring(keys, Peppers(NEW), clock)
    key = await a_key(keys, Peppers(NEW), clock)
    for _ in range(100):
        assert await ring.open(key) is not None
    assert 1 == keys.looked_up
    key_id = key_id_of(key)
    assert key_id is not None
    await keys.revoke(key_id, clock.now())
    clock.advance(STALE_AFTER)
    assert await ring.open(key) is None
    assert 1.0 >= STALE_AFTER


async def test_a_key_ends_when_it_expires(clock: ManualClock) -> None:
    """To the moment, also within the second in which it is not looked up."""
    keys = MemoryApiKeys()
    ring = Keyring(keys, Peppers(NEW), clock)
    key = await a_key(keys, Peppers(NEW), clock, days=1)
    clock.advance(86399.5)
    assert await ring.open(key) is not None
    clock.advance(0.5)
    assert await ring.open(key) is None


async def test_what_is_remembered_is_bounded(clock: ManualClock) -> None:
    """A flood of made-up keys is forgotten again; keys in use are not."""
    keys = CountingKeys()
    ring = Keyring(keys, Peppers(NEW), clock)
    key = await a_key(keys, Peppers(NEW), clock)
    await ring.open(key)
    for _ in range(2):
        for _ in range(REMEMBERED // 2):
            await ring.open(new_key().text)
        assert await ring.open(key) is not None
    assert REMEMBERED + 1 == keys.looked_up
    assert REMEMBERED == len(ring._known)


async def test_storage_away_is_no_refusal(clock: ManualClock) -> None:
    """A key that cannot be looked up is neither let in nor called wrong."""
    keys = CountingKeys()
    ring = Keyring(keys, Peppers(NEW), clock)
    key = await a_key(keys, Peppers(NEW), clock)
    keys.away = True
    with pytest.raises(StorageUnavailable):
        await ring.open(key)
    keys.away = False
    assert await ring.open(key) is not None


async def test_a_pepper_goes_out_of_use_by_itself(clock: ManualClock) -> None:
    """Keys of the previous pepper open, and are kept under the one in use from then on."""
    keys = MemoryApiKeys()
    key = await a_key(keys, Peppers(OLD), clock)
    assert await Keyring(keys, Peppers(NEW), clock).open(key) is None
    ring = Keyring(keys, Peppers(NEW, OLD), clock)
    async with ring.noting_uses():
        assert await ring.open(key) is not None
        assert await ring.open(key) is not None
    assert await Keyring(keys, Peppers(NEW), clock).open(key) is not None


async def test_a_pepper_is_changed_while_both_kinds_of_process_run(clock: ManualClock) -> None:
    """Processes that know the new pepper as the other one, and those that use it, open whatever either has stored."""
    keys = MemoryApiKeys()
    key = await a_key(keys, Peppers(OLD), clock)
    for _ in range(3):
        for peppers in (Peppers(NEW, OLD), Peppers(OLD, NEW)):
            ring = Keyring(keys, peppers, clock)
            async with ring.noting_uses():
                assert await ring.open(key) is not None


async def test_uses_are_noted_in_batches_and_at_the_end(clock: ManualClock) -> None:
    """When a key was last used is written, if late; the last of it when the process ends."""
    keys = MemoryApiKeys()
    ring = Keyring(keys, Peppers(NEW), clock)
    key = await a_key(keys, Peppers(NEW), clock)
    key_id = key_id_of(key)
    assert key_id is not None
    async with ring.noting_uses():
        await ring.open(key)
        used = clock.now()
        stored = await keys.find(key_id)
        assert stored is not None
        assert stored.last_used_at is None
    stored = await keys.find(key_id)
    assert stored is not None
    assert used == stored.last_used_at


async def test_a_use_is_written_at_most_once_a_minute(clock: ManualClock) -> None:
    """However often a key is used, and in however many processes: what one has noted the others leave alone."""
    keys = RecordingKeys()
    key = await a_key(keys, Peppers(NEW), clock)
    rings = [Keyring(keys, Peppers(NEW), clock) for _ in range(3)]
    first = clock.now()
    for second in range(90):
        ring = rings[second % 3]
        async with ring.noting_uses():  # what is noted is written at its end
            await ring.open(key)
        clock.advance(1)
    assert [first, first + COARSELY] == [use.at for use in keys.recorded]


def test_nothing_shows_a_secret() -> None:
    """Neither of a key nor of a pepper is anything shown that opens anything."""
    made = new_key()
    peppers = Peppers(NEW, OLD)
    digest = peppers.digest(made.text)
    shown = f"{made!r} {peppers!r} {digest!r} {digest.pepper_id}"
    for secret in (made.text, made.text[20:], NEW, OLD, digest.value.hex()):
        assert secret not in shown


@pytest.mark.parametrize("pattern", ["", "**", "*A", "A*B", "a b", "-A", "A" * 65, "A" * 64 + "*", "A\n"])
def test_patterns_that_are_none(pattern: str) -> None:
    """A channel's name, the beginning of names and a star, or a star alone; nothing else."""
    with pytest.raises(ValidationFailed):
        check_channel_pattern("channels", pattern)


@pytest.mark.parametrize("pattern", ["*", "A", "POS-*", "A" * 64, "A" * 63 + "*"])
def test_patterns_that_are_some(pattern: str) -> None:
    """What a key may be made for."""
    assert pattern == check_channel_pattern("channels", pattern)
