"""What every `ApiKeys` promises."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from loyalty_core.domain.identifiers import ClientId
from loyalty_core.ports.api_keys import ApiKey, ApiKeys, ChannelsTaken, KeyDigest, KeyId, KeyNotRenewable, KeyUse, Scope

MADE_AT = datetime(2026, 3, 16, 14, 30, 45, 123456, tzinfo=UTC)


def a_key(number: int, client: str = "acme", *channels: str) -> ApiKey:
    return ApiKey(
        id=KeyId(f"{number:016x}"),
        digest=KeyDigest("pepper-1", bytes([number]) * 32),
        client=ClientId(client),
        channels=channels or ("POS-*", "KIOSK-1"),
        scopes=frozenset({Scope.POS, Scope.OPS}),
        created_at=MADE_AT + timedelta(seconds=number),
        expires_at=MADE_AT + timedelta(days=365),
    )


class ApiKeysContract:
    """Subclasses supply the fixture `keys`, empty."""

    async def test_a_key_comes_back_equal(self, keys: ApiKeys) -> None:
        """Found by its id, it is the same key; an unknown id is nobody's."""
        await keys.add(a_key(1))
        assert a_key(1) == await keys.find(KeyId(f"{1:016x}"))
        assert await keys.find(KeyId("0" * 16)) is None

    async def test_all_keys_are_listed_by_client_and_age(self, keys: ApiKeys) -> None:
        """Revoked ones included."""
        for key in (a_key(3, "zeta", "Z-1"), a_key(2), a_key(1)):
            await keys.add(key)
        await keys.revoke(a_key(2).id, MADE_AT)
        assert [a_key(1).id, a_key(2).id, a_key(3).id] == [key.id for key in await keys.every()]

    @pytest.mark.parametrize(
        ("taken", "wanted"),
        [("POS-1", "POS-1"), ("POS-*", "POS-1"), ("POS-1", "POS-*"), ("POS-*", "POS-1*"), ("*", "A"), ("P*", "*")],
    )
    async def test_channels_of_another_client_are_refused(self, keys: ApiKeys, taken: str, wanted: str) -> None:
        """Whichever of the two covers the other; nothing is stored. The same client may have both."""
        await keys.add(a_key(1, "acme", "OWN", taken))
        with pytest.raises(ChannelsTaken):
            await keys.add(a_key(2, "other", "FREE", wanted))
        assert await keys.find(a_key(2).id) is None
        await keys.add(a_key(3, "acme", wanted))

    async def test_neighbouring_channels_are_free(self, keys: ApiKeys) -> None:
        """Channels that merely look alike are two."""
        await keys.add(a_key(1, "acme", "POS-1", "TILL-*"))
        await keys.add(a_key(2, "other", "POS-10", "TIL*".replace("*", ""), "POS-2*"))
        assert 2 == len(await keys.every())

    async def test_of_two_that_overlap_one_is_stored(self, keys: ApiKeys) -> None:
        """However close in time they come: twenty clients ask for the same channel at once."""
        results = await asyncio.gather(
            *(keys.add(a_key(number, f"client-{number}", "POS-1")) for number in range(20)), return_exceptions=True
        )
        assert 19 == sum(isinstance(result, ChannelsTaken) for result in results)
        assert 1 == len(await keys.every())

    async def test_a_revocation_stands(self, keys: ApiKeys) -> None:
        """The first time counts; there is nothing to revoke where there is no key."""
        await keys.add(a_key(1))
        revoked = await keys.revoke(a_key(1).id, MADE_AT)
        assert msgspec.structs.replace(a_key(1), revoked_at=MADE_AT) == revoked
        assert revoked == await keys.revoke(a_key(1).id, MADE_AT + timedelta(days=1)) == await keys.find(a_key(1).id)
        assert await keys.revoke(KeyId("0" * 16), MADE_AT) is None

    async def test_only_a_key_never_used_gives_its_channels_back(self, keys: ApiKeys) -> None:
        """Made for the wrong client and revoked: free again. Once used, sales under its channels exist: never."""
        await keys.add(a_key(1, "wrong", "POS-1"))
        await keys.revoke(a_key(1).id, MADE_AT)
        await keys.add(a_key(2, "right", "POS-1"))
        await keys.record_uses([KeyUse(id=a_key(2).id, at=MADE_AT)])
        await keys.revoke(a_key(2).id, MADE_AT)
        with pytest.raises(ChannelsTaken):
            await keys.add(a_key(3, "third", "POS-1"))

    async def test_a_successor_has_the_rights_of_its_key(self, keys: ApiKeys) -> None:
        """Whatever it asks for itself; the key it follows goes on opening until its end, and both are stored."""
        await keys.add(a_key(1))
        ends_at = MADE_AT + timedelta(days=1)
        wider = msgspec.structs.replace(a_key(2, "another", "EVERYTHING-*"), scopes=frozenset({Scope.OPS}))
        successor = await keys.succeed(wider, a_key(1).id, MADE_AT, ends_at)
        assert a_key(2) == successor == await keys.find(a_key(2).id)
        assert msgspec.structs.replace(a_key(1), expires_at=ends_at) == await keys.find(a_key(1).id)

    async def test_a_successor_prolongs_nothing(self, keys: ApiKeys) -> None:
        """A key that ends sooner than the time given still does; a second successor is one more."""
        soon = msgspec.structs.replace(a_key(1), expires_at=MADE_AT + timedelta(hours=1))
        await keys.add(soon)
        for number in (2, 3):
            await keys.succeed(a_key(number), soon.id, MADE_AT, MADE_AT + timedelta(days=1))
        assert soon == await keys.find(soon.id)
        assert 3 == len(await keys.every())

    async def test_what_opens_nothing_has_no_successor(self, keys: ApiKeys) -> None:
        """Neither a revoked key, nor one that has ended, nor one that never was; and nothing is stored."""
        await keys.add(a_key(1))
        await keys.add(a_key(2))
        await keys.revoke(a_key(1).id, MADE_AT)
        ended_at = a_key(2).expires_at
        assert ended_at is not None
        for key_id, at in ((a_key(1).id, MADE_AT), (a_key(2).id, ended_at)):
            with pytest.raises(KeyNotRenewable):
                await keys.succeed(a_key(3), key_id, at, at)
        assert await keys.succeed(a_key(3), KeyId("0" * 16), MADE_AT, MADE_AT) is None
        assert await keys.find(a_key(3).id) is None

    async def test_uses_are_noted_and_never_go_back(self, keys: ApiKeys) -> None:
        """The latest use counts, whatever the order of the batches; unknown keys are passed over."""
        await keys.add(a_key(1))
        await keys.add(a_key(2))
        later = MADE_AT + timedelta(hours=1)
        await keys.record_uses([KeyUse(id=a_key(2).id, at=later), KeyUse(id=a_key(1).id, at=later)])
        await keys.record_uses([KeyUse(id=a_key(1).id, at=MADE_AT), KeyUse(id=KeyId("f" * 16), at=later)])
        assert msgspec.structs.replace(a_key(1), last_used_at=later) == await keys.find(a_key(1).id)

    async def test_a_digest_is_renewed_with_a_use(self, keys: ApiKeys) -> None:
        """So that an old pepper goes out of use by itself."""
        await keys.add(a_key(1))
        fresh = KeyDigest("pepper-2", bytes([7]) * 32)
        await keys.record_uses([KeyUse(id=a_key(1).id, at=MADE_AT, digest=fresh)])
        found = await keys.find(a_key(1).id)
        assert found is not None
        assert fresh == found.digest
