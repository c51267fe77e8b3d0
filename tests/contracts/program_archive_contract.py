"""What every `ProgramArchive` promises."""

from decimal import Decimal

import msgspec

from loyalty_core.domain.program import RewardProgram, built_in_program
from loyalty_core.domain.program_parts import Promotion
from loyalty_core.ports.program_archive import ProgramArchive


def a_program(rate: str) -> RewardProgram:
    double = Promotion(id="double", name="Double \u20ac day", multiplier=Decimal("2.50"), categories=("hot",))
    return msgspec.structs.replace(built_in_program(), points_per_unit=Decimal(rate), promotions=(double,))


class ProgramArchiveContract:
    """Subclasses supply the fixture `archive`, empty."""

    async def test_an_unknown_hash_is_nobodys(self, archive: ProgramArchive) -> None:
        """What was never kept is None."""
        assert await archive.find(built_in_program().content_hash) is None

    async def test_a_program_comes_back_equal(self, archive: ProgramArchive) -> None:
        """Found by the hash of its content, it is the same program and has the same hash."""
        program = a_program("1.50")
        await archive.keep(built_in_program())
        await archive.keep(program)
        found = await archive.find(program.content_hash)
        assert found is not None
        assert (program, program.content_hash) == (found, found.content_hash)

    async def test_keeping_it_again_changes_nothing(self, archive: ProgramArchive) -> None:
        """Every process keeps its program at its start; the first one stands."""
        for _ in range(3):
            await archive.keep(a_program("3"))
        assert a_program("3") == await archive.find(a_program("3").content_hash)
