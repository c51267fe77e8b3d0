"""`/_sim/*`: what tests and people use to steer the simulator and to read its books."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import msgspec

from loyalty_adapters.pdi_simulator.control_bodies import (
    CustomerControl,
    ProgramControl,
    SessionControl,
    Tamper,
    invalid,
    read_control,
)
from loyalty_adapters.pdi_simulator.entries import Entry
from loyalty_adapters.pdi_simulator.faults import FaultError
from loyalty_adapters.pdi_simulator.messages import Rejection, Reply, Request
from loyalty_adapters.pdi_simulator.stats import MAX_RECENT
from loyalty_adapters.pdi_simulator.wire import LAST_CHUNK, Exchange, chunk

if TYPE_CHECKING:
    from loyalty_adapters.pdi_simulator.server import Simulator

_STREAM_PIECE: Final = 2_000
_FILTERS: Final[Mapping[str, Callable[[Entry], str]]] = {
    "transactionId": lambda entry: entry.session.transaction_id,
    "channelId": lambda entry: entry.session.channel_id,
    "customerId": lambda entry: entry.session.customer.customer_id,
    "pdiSessionId": lambda entry: entry.session.session_id,
    "idempotencyKey": lambda entry: entry.key,
    "kind": lambda entry: entry.kind,
}


class Control:
    """Control calls need no token, are not counted, and are never disturbed by a fault."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._routes: Mapping[str, Mapping[str, Callable[[Request], Reply]]] = {
            "/_sim/health": {"GET": self._health},
            "/_sim/faults": {"GET": self._faults, "PUT": self._put_faults},
            "/_sim/stats": {"GET": self._stats},
            "/_sim/customers": {"GET": self._customers, "POST": self._put_customer},
            "/_sim/program": {"GET": self._program, "PUT": self._put_program},
            "/_sim/sessions": {"POST": self._sessions},
            "/_sim/tokens/revoke": {"POST": self._revoke},
            "/_sim/ledger": {"GET": self._ledger},
            "/_sim/ledger/tamper": {"POST": self._tamper},
            "/_sim/reset": {"POST": self._reset},
        }

    def serve(self, exchange: Exchange) -> None:
        """Answers a control call, or 404 or 405 for what is neither PDI's nor the simulator's."""
        request = exchange.request
        methods = self._routes.get(request.path)
        if methods is None:
            exchange.reply(Rejection(404, "not_found", "There is nothing at this path.").reply())
        elif (handler := methods.get(request.method)) is None:
            allow = ", ".join(methods)
            exchange.reply(Rejection(405, "method_not_allowed", f"Use {allow}.", {}, (("Allow", allow),)).reply())
        elif request.path == "/_sim/ledger" and not request.query:
            # The whole of the books may be long; what it shows must be on disk first, here as everywhere.
            self._simulator.journal.when_durable(lambda: self._simulator.stream(self._stream_ledger(exchange)))
        else:
            self._simulator.settle(exchange, self._simulator.judge(handler, request))

    # --- reading

    def _health(self, _request: Request) -> Reply:
        simulator = self._simulator
        return Reply.of({"status": "ok", "connections": len(simulator.connections), "syncs": simulator.journal.syncs})

    def _faults(self, _request: Request) -> Reply:
        return Reply.of({**self._simulator.faults.as_json(), "pending": len(self._simulator.fault_tasks)})

    def _stats(self, request: Request) -> Reply:
        ledger = self._simulator.ledger
        text = _query(request, {"recent"}).get("recent", "0")
        if not text.isdecimal() or int(text) > MAX_RECENT:
            raise invalid(f"`recent` is a number up to {MAX_RECENT}.")
        counters = {
            "tokensIssued": self._simulator.tokens.issued,
            "keyReplays": ledger.key_replays,
            "keysReusedWithOtherBody": ledger.key_reused_with_other_body,
        }
        return Reply.of({**self._simulator.stats.as_json(int(text)), **counters})

    def _customers(self, _request: Request) -> Reply:
        return Reply.of([customer.as_json() for customer in self._simulator.ledger.books.customers])

    def _program(self, _request: Request) -> Reply:
        program = self._simulator.program
        return Reply.of(
            {
                "pointsPerUnit": program.points_per_unit,
                "redeemPointsPerUnit": program.redeem_points_per_unit,
                "booksOwnFigure": program.books_own_figure,
            }
        )

    def _ledger(self, request: Request) -> Reply:
        wanted = _query(request, _FILTERS.keys())
        books = self._simulator.ledger.books
        transaction_id = wanted.get("transactionId")
        entries = books.entries() if transaction_id is None else books.entries_of(transaction_id)
        return Reply.of([entry.as_json() for entry in entries if _matches(entry, wanted)])

    async def _stream_ledger(self, exchange: Exchange) -> None:
        entries = self._simulator.ledger.books.entries()
        exchange.write(Reply(200, b"").head(keep_alive=True, framing="Transfer-Encoding: chunked"))
        exchange.write(chunk(b"["))
        for start in range(0, len(entries), _STREAM_PIECE):
            piece = msgspec.json.encode([entry.as_json() for entry in entries[start : start + _STREAM_PIECE]])[1:-1]
            exchange.write(chunk(piece if start == 0 else b"," + piece))
            await exchange.drain()
            if exchange.ended:
                return
        exchange.write(chunk(b"]") + LAST_CHUNK)
        exchange.finish(200)

    # --- steering

    def _put_faults(self, request: Request) -> Reply:
        try:
            self._simulator.faults.put(request.body)
        except FaultError as error:
            raise invalid(str(error)) from None
        return self._faults(request)

    def _put_customer(self, request: Request) -> Reply:
        body = read_control(request, CustomerControl)
        ledger = self._simulator.ledger
        ledger.put_customer(body.customer_id, body.name, body.tier, body.points, suspended=body.suspended)
        return Reply.of(ledger.books.customers.find(body.customer_id).as_json())

    def _put_program(self, request: Request) -> Reply:
        body = read_control(request, ProgramControl)
        program = self._simulator.program
        program.points_per_unit = body.points_per_unit
        program.redeem_points_per_unit = body.redeem_points_per_unit
        program.books_own_figure = body.books_own_figure
        return self._program(request)

    def _sessions(self, request: Request) -> Reply:
        body = read_control(request, SessionControl)
        ledger = self._simulator.ledger
        sessions = ledger.unbooked_sessions() if body.pdi_session_id is None else [ledger.known(body.pdi_session_id)]
        for session in sessions:
            ledger.drop(body.action, session)
        return Reply.of({"sessions": len(sessions)})

    def _tamper(self, request: Request) -> Reply:
        body = read_control(request, Tamper)
        ledger = self._simulator.ledger
        entries = [entry for entry in self._meant(body) if body.kind in {None, entry.kind}]
        if not entries:
            raise Rejection(404, "entry_unknown", "No ledger entry matches.")
        for entry in entries:
            ledger.tamper(body.action, entry, body.points or 0)
        return Reply.of([entry.as_json() for entry in entries])

    def _meant(self, body: Tamper) -> Sequence[Entry]:
        books = self._simulator.ledger.books
        if body.number is not None:
            entry = books.entry(body.number)
            return [] if entry is None else [entry]
        entries = books.entries_of(body.transaction_id or "")
        return [entry for entry in entries if body.channel_id in {None, entry.session.channel_id}]

    def _revoke(self, _request: Request) -> Reply:
        return Reply.of({"revoked": self._simulator.tokens.revoke_all()})

    def _reset(self, _request: Request) -> Reply:
        self._simulator.reset()
        return Reply.of({"status": "ok"})


def _query(request: Request, known: Collection[str]) -> dict[str, str]:
    """The query as single values; a parameter nobody knows is refused, lest it be taken for a filter that worked."""
    query = parse_qs(request.query, keep_blank_values=True)
    for name, values in query.items():
        if name not in known or len(values) != 1:
            raise invalid(f"`{name}` is unknown here or given twice; known: {', '.join(known)}.")
    return {name: values[0] for name, values in query.items()}


def _matches(entry: Entry, wanted: Mapping[str, str]) -> bool:
    return all(_FILTERS[name](entry) == value for name, value in wanted.items())
