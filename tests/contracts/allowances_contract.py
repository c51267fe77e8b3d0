"""What every `Allowances` promises."""

import asyncio
import time

from loyalty_core.ports.allowances import Allowance, Allowances

SLOW = Allowance(per_second=1 / 3600, burst=50)
"""So slow that nothing comes back while a test runs."""


class AllowancesContract:
    """Subclasses supply the fixture `allowances`, with nothing taken."""

    async def test_a_burst_is_granted_and_no_more(self, allowances: Allowances) -> None:
        """Call by call, with what remains; a refusal says when to come again, and takes nothing."""
        grants = [await allowances.take("till", Allowance(1 / 3600, 3)) for _ in range(5)]
        assert [True, True, True, False, False] == [grant.granted for grant in grants]
        assert [2, 1, 0, 0, 0] == [grant.remaining for grant in grants]
        assert [0, 0] == [grant.wait for grant in grants[:2]]
        assert all(3500 < grant.wait <= 3600 for grant in grants[2:])
        assert 3 * 3500 < grants[-1].whole_after <= 3 * 3600

    async def test_of_many_at_once_exactly_the_burst_is_granted(self, allowances: Allowances) -> None:
        """However many ask at the same time, and whatever others ask for meanwhile."""
        grants = await asyncio.gather(
            *(allowances.take(f"till-{number % 2}", SLOW) for number in range(300)), return_exceptions=False
        )
        assert [50, 50] == [sum(grant.granted for grant in grants[first::2]) for first in (0, 1)]
        assert list(range(49, -1, -1)) == [grant.remaining for grant in grants[::2] if grant.granted]

    async def test_names_have_nothing_to_do_with_one_another(self, allowances: Allowances) -> None:
        """What one uses up is no other's."""
        while (await allowances.take("greedy", SLOW)).granted:
            pass
        assert (await allowances.take("modest", SLOW)).granted

    async def test_what_was_used_up_comes_back_bit_by_bit(self, allowances: Allowances) -> None:
        """At the rate of the allowance: neither all at once nor a moment before it was said."""
        allowance = Allowance(per_second=20, burst=2)
        while (refused := await allowances.take("till", allowance)).granted:
            pass
        began = time.monotonic()
        granted_at: list[float] = []
        while len(granted_at) < 4:
            if (await allowances.take("till", allowance)).granted:
                granted_at.append(time.monotonic() - began)
            await asyncio.sleep(0.001)
        # The moment of the answer lies after the one at which it was judged; the wait was told before `began`.
        assert granted_at[0] >= refused.wait - 0.02
        assert granted_at[3] >= 3 * allowance.interval
