"""What every `IdentifierSource` promises."""

import asyncio

from loyalty_core.ports.identifier_source import IdentifierSource


class IdentifierSourceContract:
    """Subclasses supply the fixture `source`."""

    async def test_session_ids_sort_by_the_time_they_were_made(self, source: IdentifierSource) -> None:
        """Each is a UUID of version 7, unlike any before it and greater than all of them."""
        made = [source.session_id() for _ in range(1000)]
        assert {7} == {identifier.version for identifier in made}
        assert sorted(set(made)) == made

    async def test_quote_ids_never_repeat(self, source: IdentifierSource) -> None:
        """A quote id names one quote."""
        assert 1000 == len({source.quote_id() for _ in range(1000)})

    async def test_receipt_numbers_never_repeat(self, source: IdentifierSource) -> None:
        """Also not for those who ask at the same time, across several blocks of them; all are positive."""
        numbers = await asyncio.gather(*(source.receipt_number() for _ in range(1000)))
        assert 1000 == len(set(numbers))
        assert min(numbers) >= 1

    async def test_jitter_is_a_share(self, source: IdentifierSource) -> None:
        """From 0 up to, and without, 1; and it varies."""
        drawn = [source.jitter() for _ in range(1000)]
        assert all(0 <= share < 1 for share in drawn)
        assert max(drawn) - min(drawn) > 0.5
