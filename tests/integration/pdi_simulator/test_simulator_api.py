"""PDI's five calls as the client meets them."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.pdi_simulator.caller import Caller
from tests.pdi import Pdi


class TestIdentify:
    async def test_names_the_customer(self, caller: Caller) -> None:
        """The reply has exactly the fields and values of the source document's example."""
        reply = await caller.identify("T1")
        session_id = reply.body.pop("sessionId")
        expected = {"status": "active", "customerName": "John Doe", "currentPoints": 5000, "tier": "Gold"}
        assert (200, expected) == (reply.status, reply.body)
        assert session_id.startswith("pdi_")

    async def test_is_idempotent_by_channel_transaction_and_customer(self, caller: Caller) -> None:
        """The same three give the same session; another value of any of them gives another."""
        first = await caller.session("T1")
        assert first == await caller.session("T1")
        others = {
            await caller.session("T2"),
            await caller.session("T1", customer="CUST-SILVER"),
            await caller.session("T1", channel="POS-002"),
        }
        assert len(others | {first}) == 4

    @pytest.mark.parametrize(
        ("customer", "status", "code"),
        [
            ("NOBODY", 400, "invalid_customer"),
            ("LOAD-007", 400, "invalid_customer"),
            ("LOAD-", 400, "invalid_customer"),
            ("CUST-SUSPENDED", 422, "customer_suspended"),
        ],
    )
    async def test_rejects_whom_it_must(self, caller: Caller, customer: str, status: int, code: str) -> None:
        """Strangers and suspended accounts get a definite no in PDI's error shape."""
        reply = await caller.identify("T1", customer)
        assert (status, code) == (reply.status, reply.body["code"])
        assert {"code", "message", "details"} == set(reply.body)

    async def test_any_load_customer_exists(self, caller: Caller) -> None:
        """`LOAD-<n>` has no points and the tier of n mod 4."""
        replies = [(await caller.identify("T1", f"LOAD-{number}")).body for number in (0, 1, 2, 987_654_323)]
        tiers = [(reply["currentPoints"], reply["tier"]) for reply in replies]
        assert tiers == [(0, "Bronze"), (0, "Silver"), (0, "Gold"), (0, "Platinum")]


class TestCalculateRewards:
    async def test_golden_example(self, caller: Caller) -> None:
        """Gold, 150.00: the source document's reply, to the byte."""
        body = b'{"sessionId":"%b","transactionAmount":150.00,"items":[{"sku":"SKU-001","qty":2}]}'
        reply = await caller.post("/calculateRewards", body % (await caller.session("T1")).encode())
        expected = (
            '{"earnedPoints":450,"multiplier":3.0,"bonusPoints":150,"breakdown":{"basePoints":300,"tierBonus":150}}'
        )
        assert expected == reply.text

    async def test_redemption_is_quoted(self, caller: Caller) -> None:
        """500 points take 5.00 off, and what they pay earns nothing."""
        reply = await caller.calculate(await caller.session("T1"), redeemPoints=500)
        assert {"points": 500, "discount": Decimal("5.00")} == reply.body["redemption"]
        assert reply.body["breakdown"]["basePoints"] == 290

    async def test_excluded_categories_earn_nothing(self, caller: Caller) -> None:
        """Priced tobacco beside priced milk: only the milk's share of the amount earns."""
        items = [
            {"sku": "MILK", "qty": 2, "unitPrice": 1.5, "category": "dairy"},
            {"sku": "CIG", "qty": 1, "unitPrice": 9, "category": "tobacco"},
        ]
        reply = await caller.calculate(await caller.session("T1", "CUST-BRONZE"), 12, items=items)
        assert reply.body["earnedPoints"] == 6

    @pytest.mark.parametrize(
        ("more", "status", "code"),
        [
            ({"redeemPoints": 5001}, 422, "insufficient_points"),
            ({"redeemPoints": 4000, "transactionAmount": 1}, 422, "redemption_exceeds_amount"),
            ({"transactionAmount": "150.00"}, 400, "invalid_request"),
            ({"transactionAmount": -1}, 400, "invalid_request"),
            ({"transactionAmount": 10**10}, 400, "invalid_request"),
            ({"transactionAmount": 0.0000001}, 400, "invalid_request"),
            ({"items": [{"sku": "A", "qty": 0}]}, 400, "invalid_request"),
            ({"items": [{"sku": "A", "qty": "2"}]}, 400, "invalid_request"),
            ({"sessionId": "pdi_nowhere"}, 404, "session_unknown"),
        ],
    )
    async def test_rejects(self, caller: Caller, more: dict[str, Any], status: int, code: str) -> None:
        """What PDI cannot quote gets its name; a number in quotes is not a number."""
        session_id = await caller.session("T1")
        body = {"sessionId": session_id, "transactionAmount": 150, **more}
        reply = await caller.post("/calculateRewards", body)
        assert (status, code) == (reply.status, reply.body["code"])

    @pytest.mark.parametrize("amount", [b"1e-999999999", b"1e999999999", b"0e999999999", b"NaN", b"01", b"1" * 5000])
    async def test_monstrous_numbers_are_refused_at_once(self, caller: Caller, amount: bytes) -> None:
        """No number costs more than a glance."""
        session_id = (await caller.session("T1")).encode()
        async with asyncio.timeout(2):
            reply = await caller.post(
                "/calculateRewards", b'{"sessionId":"%b","transactionAmount":%b}' % (session_id, amount)
            )
        assert (reply.status, reply.body["code"]) == (400, "invalid_request")

    async def test_books_nothing(self, pdi: Pdi, caller: Caller) -> None:
        """A quote leaves no trace in the ledger."""
        await caller.calculate(await caller.session("T1"))
        assert await pdi.ledger() == []


class TestFinalize:
    async def test_books_what_it_says(self, pdi: Pdi, caller: Caller) -> None:
        """The reply is the source document's, and the ledger holds the one commit it speaks of."""
        session_id = await caller.session("T1")
        reply = await caller.finalize(session_id, "T1", "k:1", receiptId="RCP-2025-001")
        expected = {
            "sessionId": session_id,
            "status": "finalized",
            "earnedPoints": 450,
            "newBalance": 5450,
            "receiptId": "RCP-2025-001",
        }
        assert (200, expected) == (reply.status, reply.body)
        [entry] = await pdi.ledger()
        entry.pop("at")
        expected_entry = {
            "number": 1,
            "transactionId": "T1",
            "channelId": "POS-001",
            "customerId": "CUST-12345",
            "kind": "accrual",
            "points": 450,
            "idempotencyKey": "k:1",
            "pdiSessionId": session_id,
        }
        assert expected_entry == entry
        assert (await pdi.customer("CUST-12345"))["points"] == 5450

    async def test_a_thousand_callers_with_one_key_book_once(self, pdi: Pdi, caller: Caller) -> None:
        """1,000 concurrent calls under one key: one commit, one and the same answer."""
        session_id = await caller.session("T1")
        replies = await asyncio.gather(*(caller.finalize(session_id, "T1", "k:1") for _ in range(1000)))
        assert {(200, replies[0].text)} == {(reply.status, reply.text) for reply in replies}
        assert len(await pdi.ledger()) == 1
        assert (await pdi.stats())["keyReplays"] == 999

    async def test_the_key_alone_dedupes(self, pdi: Pdi, caller: Caller) -> None:
        """Another body under the same key books nothing; another key books the same session again, and shows."""
        session_id = await caller.session("T1")
        first = await caller.finalize(session_id, "T1", "k:1")
        assert first.text == (await caller.finalize(session_id, "T1", "k:1", earnedPoints=9)).text
        assert (await pdi.stats())["keysReusedWithOtherBody"] == 1
        await caller.finalize(session_id, "T1", "k:2")
        assert [entry["idempotencyKey"] for entry in await pdi.ledger()] == ["k:1", "k:2"]
        assert (await caller.status(session_id)).body["earnedPoints"] == 900

    async def test_same_meaning_is_not_another_body(self, pdi: Pdi, caller: Caller) -> None:
        """150 and 150.00 are one amount."""
        session_id = await caller.session("T1")
        body = '{"sessionId":"%s","transactionId":"T1","finalAmount":%s,"applyRewards":true}'
        for amount in ("150", "150.00"):
            await caller.post("/finalize", (body % (session_id, amount)).encode(), "k:1")
        assert (await pdi.stats())["keysReusedWithOtherBody"] == 0

    async def test_books_the_figure_it_is_given(self, pdi: Pdi, caller: Caller) -> None:
        """`earnedPoints` of the request wins over PDI's own figure, until PDI is told to insist on its own."""
        first = await caller.finalize(await caller.session("T1"), "T1", "k:1", earnedPoints=7)
        await pdi.program(booksOwnFigure=True, pointsPerUnit=3)
        second = await caller.finalize(await caller.session("T2"), "T2", "k:2", earnedPoints=7)
        assert (first.body["earnedPoints"], second.body["earnedPoints"]) == (7, 675)

    async def test_redeems_and_earns_in_one_commit(self, pdi: Pdi, caller: Caller) -> None:
        """Both entries carry the key, and the balance has both."""
        session_id = await caller.session("T1")
        reply = await caller.finalize(session_id, "T1", "k:1", redeemPoints=500, earnedPoints=435)
        assert reply.body["newBalance"] == 4935
        entries = [(entry["kind"], entry["points"], entry["idempotencyKey"]) for entry in await pdi.ledger()]
        assert entries == [("accrual", 435, "k:1"), ("redemption", 500, "k:1")]

    async def test_a_rejection_is_not_remembered(self, pdi: Pdi, caller: Caller) -> None:
        """A call refused for want of points is judged afresh under the same key."""
        session_id = await caller.session("T1", "CUST-POOR")
        refused = await caller.finalize(session_id, "T1", "k:1", redeemPoints=100)
        assert (refused.status, refused.body["code"]) == (422, "insufficient_points")
        assert refused.body["details"] == {"requested": 100, "balance": 3}
        assert await pdi.ledger() == []
        await pdi.put_customer("CUST-POOR", name="Penny Little", tier="Bronze", points=100)
        assert (await caller.finalize(session_id, "T1", "k:1", redeemPoints=100)).status == 200

    async def test_no_balance_leaves_64_bits(self, pdi: Pdi, caller: Caller) -> None:
        """The largest figure is booked, exactly; one point more is a definite no and books nothing."""
        session_id = await caller.session("T1", "LOAD-0")
        largest = 2**63 - 1
        first = await caller.finalize(session_id, "T1", "k:1", earnedPoints=largest)
        second = await caller.finalize(session_id, "T1", "k:2", earnedPoints=1)
        assert largest == first.body["newBalance"]
        assert (second.status, second.body["code"]) == (422, "balance_out_of_range")
        assert [largest] == [entry["points"] for entry in await pdi.ledger()]

    async def test_without_rewards_nothing_is_earned(self, pdi: Pdi, caller: Caller) -> None:
        """`applyRewards` false finalizes with an accrual of 0."""
        reply = await caller.finalize(await caller.session("T1"), "T1", "k:1", applyRewards=False)
        assert (reply.body["earnedPoints"], reply.body["newBalance"]) == (0, 5000)
        assert [entry["points"] for entry in await pdi.ledger()] == [0]

    @pytest.mark.parametrize(
        ("key", "more", "status", "code"),
        [
            (None, {}, 400, "idempotency_key_required"),
            ("k" * 256, {}, 400, "idempotency_key_required"),
            ("k:1", {"transactionId": "T2"}, 422, "transaction_mismatch"),
            ("k:1", {"sessionId": "pdi_nowhere"}, 404, "session_unknown"),
            ("k:1", {"earnedPoints": -1}, 400, "invalid_request"),
            ("k:1", {"earnedPoints": 2**63}, 400, "invalid_request"),
            ("k:1", {"applyRewards": False, "redeemPoints": 5}, 400, "invalid_request"),
        ],
    )
    async def test_rejects(
        self, pdi: Pdi, caller: Caller, key: str | None, more: dict[str, Any], status: int, code: str
    ) -> None:
        """What cannot be booked is named, and is not booked."""
        session_id = await caller.session("T1")
        reply = await caller.post(
            "/finalize",
            {"sessionId": session_id, "transactionId": "T1", "finalAmount": 150, "applyRewards": True, **more},
            key,
        )
        assert (status, code) == (reply.status, reply.body["code"])
        assert await pdi.ledger() == []


class TestReturn:
    async def test_reverses_and_restores_once_per_key(self, pdi: Pdi, caller: Caller) -> None:
        """Both go back, the repeat changes nothing, and the balance is what it was."""
        session_id = await caller.session("T1")
        await caller.finalize(session_id, "T1", "k:1", redeemPoints=500, earnedPoints=435)
        replies = [await caller.give_back(session_id, 435, "r:1", pointsRestored=500) for _ in range(3)]
        expected = {
            "sessionId": session_id,
            "returnId": "R1",
            "pointsReversed": 435,
            "pointsRestored": 500,
            "newBalance": 5000,
        }
        assert [expected] * 3 == [reply.body for reply in replies]
        kinds = [entry["kind"] for entry in await pdi.ledger()]
        assert kinds == ["accrual", "redemption", "reversal", "restoration"]

    async def test_doubling_shows(self, pdi: Pdi, caller: Caller) -> None:
        """The same return under another key is booked again, even below zero."""
        session_id = await caller.session("T1", "LOAD-2")
        await caller.finalize(session_id, "T1", "k:1")
        for key in ("r:1", "r:2"):
            assert (await caller.give_back(session_id, 450, key)).status == 200
        assert (await pdi.customer("LOAD-2"))["points"] == -450

    async def test_rejects(self, caller: Caller) -> None:
        """Nothing booked, more than booked, no key, a key of another call, an unknown session: each has its name."""
        session_id = await caller.session("T1")
        codes = [(await caller.give_back(session_id, 1)).body["code"]]
        await caller.finalize(session_id, "T1", "k:1")
        for points, key, target in (
            (451, "r:1", session_id),
            (1, None, session_id),
            (1, "k:1", session_id),
            (1, "r:1", "pdi_nowhere"),
        ):
            codes.append((await caller.give_back(target, points, key)).body["code"])
        expected = [
            "not_finalized",
            "over_return",
            "idempotency_key_required",
            "idempotency_key_reused",
            "session_unknown",
        ]
        assert expected == codes


class TestSessionStatus:
    async def test_tells_every_commit(self, caller: Caller) -> None:
        """Status and commits before and after finalize and return."""
        session_id = await caller.session("T1")
        before = (await caller.status(session_id)).body
        assert {"sessionId": session_id, "status": "active", "earnedPoints": 0, "commits": []} == before
        await caller.finalize(session_id, "T1", "k:1")
        await caller.give_back(session_id, 50, "r:1")
        after = (await caller.status(session_id)).body
        commits = [(commit["key"], commit["kind"], commit["points"]) for commit in after["commits"]]
        assert (after["status"], after["earnedPoints"]) == ("finalized", 450)
        assert commits == [("k:1", "accrual", 450), ("r:1", "reversal", 50)]
        assert all(commit["at"].endswith("Z") for commit in after["commits"])

    async def test_unknown_session(self, caller: Caller) -> None:
        """A session PDI does not know is a definite 404."""
        reply = await caller.status("pdi_nowhere")
        assert (reply.status, reply.body["code"]) == (404, "session_unknown")


class TestLostSessions:
    @pytest.mark.parametrize(("action", "code"), [("forget", "session_unknown"), ("expire", "session_expired")])
    async def test_identify_opens_another(self, pdi: Pdi, caller: Caller, action: str, code: str) -> None:
        """A session forgotten or expired refuses everything; identify opens one under another id."""
        session_id = await caller.session("T1")
        assert await pdi.drop_sessions(action, session_id) == 1
        for reply in (await caller.calculate(session_id), await caller.finalize(session_id, "T1")):
            assert (404, code) == (reply.status, reply.body["code"])
        anew = await caller.session("T1")
        assert session_id != anew
        assert (await caller.finalize(anew, "T1")).status == 200

    async def test_what_is_booked_does_not_expire(self, pdi: Pdi, caller: Caller) -> None:
        """Expiring all sessions leaves the finalized one as it was."""
        session_id = await caller.session("T1")
        await caller.finalize(session_id, "T1")
        await caller.session("T2")
        assert await pdi.drop_sessions("expire") == 1
        assert (await caller.status(session_id)).body["status"] == "finalized"
