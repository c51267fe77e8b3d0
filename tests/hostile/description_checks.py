"""What schemathesis checks beyond its own; it loads this file as its hooks."""

import json
import os
import re
from itertools import count, cycle
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

SEEDS: Final = "LOYALTY_DESCRIPTION_SEEDS"
"""The variable with the sessions there are, in all their states: a JSON list of `sessionId` and `transactionId`."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_BEYOND_SCHEMAS: Final = re.compile(
    r"occurredAt must not be (more than 30 days ago|in the future)"  # it depends on the day
    r"|metadata must not be (nested|larger)"  # its size is that of its text
    r"|cursor must be the nextCursor"  # only the service knows which it has given
    r"|\S+ must have at most \d decimals"  # those of the program's currency; and binary fractions have many
    r"|reason must be at most 200 printable characters"  # which are assigned depends on the edition of Unicode
    r"|\S+ must be a number with fewer digits"  # a metadata's 1e300 is a number to every schema
    r"|amount must be left out where lines are named"
    r"|points (are redeemed in multiples of|may pay at most)|at least \d+ points must be redeemed"  # the program's
    r"|redeemPoints must be left out where applyRewards is false"
    r"|items\[\d+\]\S* (must name a line, or a SKU|must be a line of the sale|is on no line|is not the SKU)"
)
_numbers: Final = count(1)
_seeds: Final = cycle(json.loads(os.environ.get(SEEDS, "[]")))


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], __: dict[str, Any]) -> None:
    """Aim calls deeper than chance would: most sales are new ones, and most sessions that are named exist."""
    body = case.body
    if not isinstance(body, dict) or not next(_numbers) % 4:
        return
    if case.path == "/identify" and _is_identifier(body.get("transactionId")):
        body["transactionId"] = f"T-{next(_numbers)}"  # the first to be finalized would be the last that can be
    in_a_story = case.meta is not None and case.meta.phase.name == "stateful"
    if isinstance(body.get("sessionId"), str) and not in_a_story and (seed := next(_seeds, None)) is not None:
        body["sessionId"] = seed["sessionId"]
        if _is_identifier(body.get("transactionId")):
            body["transactionId"] = seed["transactionId"]


@schemathesis.check
def refusals_say_what_no_schema_can(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """A call that fits the description is a 400 for PDI's no, or for a rule that no schema states; nothing else."""
    meta = case.meta
    if response.status_code != 400 or meta is None or not meta.generation.mode.is_positive:
        return
    problem = json.loads(response.content)
    if problem["code"] == "pdi_rejected" or _left_empty(response):
        return
    if _BEYOND_SCHEMAS.match(problem["detail"]) is None:
        raise AssertionError(f"refused, and the description does not say so: {problem['detail']}")


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def _left_empty(response: Response) -> bool:
    """Whether a parameter that was to be absent was written as an empty one, as the tool does now and then."""
    sent = response.request
    return sent.headers.get("If-Match") == "" or re.search(r"=(&|$)", sent.url or "") is not None
