"""How a call is answered that was turned away before anything was done for it.

Past the framework, whose way with errors costs as much as all else of such a call: there may be very many of them, and
they must not take from those that are served.
"""

import math

from litestar.types import Scope, Send

from loyalty_core.domain.errors import RetryableError
from loyalty_web.problem_details import KINDS, PROBLEM_JSON, problem_bytes
from loyalty_web.request_facts import RequestFacts


async def turn_away(scope: Scope, send: Send, error: RetryableError) -> None:
    """Send the problem that `error` is. The call gets no line of its own in the log: there is a tally of refusals."""
    facts = RequestFacts.of(scope)
    facts.is_logged = False
    facts.note(code=error.code)
    body = problem_bytes(error.code, error.message, facts.trace_id)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))),
    ]
    status = KINDS[error.code].status.value
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
