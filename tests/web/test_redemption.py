"""Points are spent end to end: quoted, confirmed by PDI, booked, and given back."""

import pytest

from tests.pdi import Pdi
from tests.web.counter import give_back, moved, sold
from tests.web.service import Service
from tests.web.test_refusals import check_problem

SALE = {"transactionAmount": 150}


async def quoted(service: Service, points: int) -> str:
    session: str = (await service.identify()).json["sessionId"]
    assert (
        200 == (await service.post("/calculateRewards", {"sessionId": session, **SALE, "redeemPoints": points})).status
    )
    return session


def final(session: str, points: int | None = 1000) -> dict[str, object]:
    body: dict[str, object] = {
        "sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True
    }  # fmt: skip
    return body if points is None else {**body, "redeemPoints": points}


async def test_points_pay_for_a_part_of_the_sale(service: Service, pdi: Pdi) -> None:
    """1,000 points buy 10.00, which earn nothing; PDI books both, and a return of everything undoes both."""
    session = (await service.identify()).json["sessionId"]
    quote = (await service.post("/calculateRewards", {"sessionId": session, **SALE, "redeemPoints": 1000})).json
    assert {"points": 1000, "discount": 10.0} == quote["redemption"]
    assert 420 == quote["earnedPoints"]
    booked = await service.post("/finalize", {**final(session), "quoteId": quote["quoteId"]})
    assert (200, 420, 4420) == (booked.status, booked.json["earnedPoints"], booked.json["newBalance"])
    assert {("accrual", 420), ("redemption", 1000)} == {(it["kind"], it["points"]) for it in await pdi.ledger()}
    assert 1000 == (await service.status(session))["redeemedPoints"]
    half = await give_back(service, session, "RET-1", amount=75)
    assert (210, 500) == (half.json["pointsReversed"], half.json["pointsRestored"])
    rest = await give_back(service, session, "RET-2")
    assert (210, 500) == (rest.json["pointsReversed"], rest.json["pointsRestored"])
    assert (420, 1000) == await moved(pdi)
    assert 5000 == (await pdi.customer("CUST-12345"))["points"]
    status = await service.status(session)
    assert (420, 1000, "returned") == (status["pointsReversed"], status["pointsRestored"], status["status"])


@pytest.mark.parametrize(
    ("points", "sentence"),
    [(50, "at least 100 points"), (150, "in multiples of 100"), (100_000, "points may pay at most")],
)
async def test_a_redemption_the_program_does_not_allow(service: Service, pdi: Pdi, points: int, sentence: str) -> None:
    """400 on `redeemPoints` with what would do; PDI is not troubled, and the session is unchanged."""
    session = (await service.identify()).json["sessionId"]
    reply = await service.post("/calculateRewards", {"sessionId": session, **SALE, "redeemPoints": points})
    check_problem(reply, 400, "validation_failed")
    (error,) = reply.json["errors"]
    assert ("redeemPoints", True) == (error["field"], sentence in error["message"])
    assert ("active", 1) == await service.standing(session)
    assert 0 == await pdi.calls("calculateRewards")


async def test_more_points_than_the_customer_has(service: Service, pdi: Pdi) -> None:
    """PDI says so with its reason, at the quote; the session is unchanged and can be quoted with less."""
    await pdi.put_customer("CUST-12345", name="John Doe", tier="Gold", points=900)
    session = (await service.identify()).json["sessionId"]
    body = {"sessionId": session, **SALE, "redeemPoints": 1000}
    reply = await service.post("/calculateRewards", body)
    check_problem(reply, 400, "pdi_rejected")
    assert ("insufficient_points", {"requested": 1000, "balance": 900}) == (reply.json["reason"], reply.json["details"])
    assert ("active", 1) == await service.standing(session)
    assert 200 == (await service.post("/calculateRewards", {**body, "redeemPoints": 900})).status


async def test_points_that_were_spent_elsewhere_meanwhile(service: Service, pdi: Pdi) -> None:
    """PDI refuses the finalize; the session is as it was before it, and the corrected call goes through."""
    session = await quoted(service, 1000)
    await pdi.put_customer("CUST-12345", name="John Doe", tier="Gold", points=900)
    refused = await service.post("/finalize", final(session))
    check_problem(refused, 400, "pdi_rejected")
    assert "insufficient_points" == refused.json["reason"]
    assert "calculated" == (await service.status(session))["status"]
    assert [] == await pdi.ledger()
    assert 200 == (await service.post("/calculateRewards", {"sessionId": session, **SALE})).status
    sold_without = await service.post("/finalize", final(session, None))
    assert (200, 450) == (sold_without.status, sold_without.json["earnedPoints"])


@pytest.mark.parametrize("mode", ["rate_limited", "token_down"])
async def test_pdi_away_at_finalize(service: Service, pdi: Pdi, mode: str) -> None:
    """Points are spent with PDI's consent or not at all: 503, when to repeat, and a session as it was."""
    session = await quoted(service, 1000)
    if mode == "token_down":
        await pdi.revoke_tokens()
    await pdi.faults(mode)
    reply = await service.post("/finalize", final(session))
    check_problem(reply, 503, "redemption_needs_pdi")
    assert int(reply.headers["Retry-After"]) >= 1
    assert "calculated" == (await service.status(session))["status"]
    assert [] == await pdi.ledger()


async def test_what_is_finalized_is_what_was_confirmed(service: Service, pdi: Pdi) -> None:
    """Leaving the redemption out, changing it, or spending without a quote is refused with both figures."""
    session = await quoted(service, 1000)
    for points in (None, 900):
        refused = await service.post("/finalize", final(session, points))
        check_problem(refused, 409, "quote_changed")
        assert 420 == refused.json["quotedPoints"]
    unquoted = (await service.identify("T-2")).json["sessionId"]
    check_problem(await service.post("/finalize", {**final(unquoted), "transactionId": "T-2"}), 409, "quote_changed")
    assert [] == await pdi.ledger()


async def test_points_and_no_rewards_exclude_each_other(service: Service) -> None:
    """Nothing would be booked that they could be taken from."""
    session = await quoted(service, 1000)
    reply = await service.post("/finalize", {**final(session), "applyRewards": False})
    check_problem(reply, 400, "validation_failed")
    assert "redeemPoints" == reply.json["errors"][0]["field"]


async def test_an_unanswered_redemption_settles_like_any_other_sale(service: Service, pdi: Pdi) -> None:
    """It may have been booked, so it is promised; asking for the status finds the booking."""
    session = await quoted(service, 1000)
    await pdi.faults("drop_after_commit", endpoints=["finalize"])
    promised = await service.post("/finalize", final(session))
    assert (202, "finalizing") == (promised.status, promised.json["status"])
    await pdi.faults()
    status = await service.status(session)
    assert ("finalized", 420, 1000) == (status["status"], status["earnedPoints"], status["redeemedPoints"])


async def test_lines_carry_the_discount_back(service: Service, pdi: Pdi) -> None:
    """Points spent go back by the spend of what comes back, line by line."""
    session = await sold(service, redeem=900)
    third = await give_back(service, session, items=[{"line": 0, "qty": 2}])
    assert 300 == third.json["pointsRestored"]
    await give_back(service, session, "RET-2")
    assert 900 == (await moved(pdi))[1]
