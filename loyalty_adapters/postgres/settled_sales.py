"""Sales that the host has booked, live and archived, as they were sold: for whoever calculates them once more."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from loyalty_adapters.postgres.session_rows import StoredIntent
from loyalty_core.domain.basket import Basket
from loyalty_core.domain.errors import StorageUnavailable
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.domain.session import SETTLED
from loyalty_core.domain.session_quote import SessionQuote

_PAGE: Final = 2000
_PATIENCE: Final = 5
"""Seconds to connect."""

# In the order of ids, each page a statement of its own: no snapshot is kept open for minutes beside live traffic, which
# would keep dead rows from being cleared away. A session that is archived meanwhile has the same id in its new place,
# so it is seen exactly once. The times are coarse: what a sale's own moment is, only its quote says.
_READ: Final[LiteralString] = """
SELECT s.id, s.status, s.quote::text, s.intent::text
  FROM (SELECT id, status, quote, intent, occurred_at, created_at, expires_at FROM sessions
         UNION ALL
        SELECT id, status, quote, intent, occurred_at, created_at, expires_at FROM sessions_archive) AS s
 WHERE s.id > %(after)s::uuid
   AND s.status = ANY (%(settled)s::text[])
   AND (%(since)s::timestamptz IS NULL OR coalesce(s.occurred_at, s.expires_at) >= %(since)s::timestamptz)
   AND (%(until)s::timestamptz IS NULL OR coalesce(s.occurred_at, s.created_at) < %(until)s::timestamptz)
 ORDER BY s.id
 LIMIT %(page)s::integer
"""
_ENDS: Final[LiteralString] = """
SELECT least((SELECT min(id::text) FROM (SELECT id FROM sessions ORDER BY id LIMIT 1) AS first),
             (SELECT min(id::text) FROM (SELECT id FROM sessions_archive ORDER BY id LIMIT 1) AS first)),
       greatest((SELECT max(id::text) FROM (SELECT id FROM sessions ORDER BY id DESC LIMIT 1) AS last),
                (SELECT max(id::text) FROM (SELECT id FROM sessions_archive ORDER BY id DESC LIMIT 1) AS last))
"""


class StoredSale(NamedTuple):
    """A settled sale as it is stored: cheap to hand to another process, which reads it there."""

    id: UUID
    status: str
    quote: str | None
    intent: str


class SettledSale(msgspec.Struct, frozen=True, kw_only=True):
    """What a settled sale's points were calculated from."""

    session: SessionId
    basket: Basket
    tier: str | None
    at: datetime
    """The moment that decided which promotions were open."""
    program_hash: str
    """Of the program it was quoted by then."""
    rewarded: bool
    """Whether the sale was to earn; otherwise it ended without rewards, at the customer's wish."""
    returned: bool
    """Whether some of it was given back since. The basket is as it was sold."""


def read_sale(stored: StoredSale) -> SettledSale:
    """The sale that was stored."""
    intent = _INTENT.decode(stored.intent)
    quote = intent.quote
    if quote is None:
        if stored.quote is None:
            raise ValueError("an intent leaves its quote to a session that has none")
        quote = _QUOTE.decode(stored.quote)
    return SettledSale(
        session=SessionId(stored.id),
        basket=quote.basket if intent.basket is None else intent.basket,
        tier=quote.tier,
        at=quote.at,
        program_hash=quote.ours.program_hash,
        rewarded=intent.apply_rewards,
        returned=stored.status != "finalized",
    )


class SettledSales:
    """Reads settled sales in the order in which their sessions were opened, a page at a time."""

    def __init__(self, connection: psycopg.Connection[Any], since: datetime | None, until: datetime | None) -> None:
        """Sales that cannot have been made from `since` (inclusive) until `until` (exclusive) are left out."""
        self._connection = connection
        self._bounds = {"since": since, "until": until, "settled": [status.value for status in SETTLED]}

    def ends(self) -> tuple[UUID, UUID] | None:
        """The ids of the first and the last session there is, settled or not; None where there is none.

        Raises:
            StorageUnavailable: as `pages`.
        """
        ((first, last),) = self._rows(_ENDS, {})
        return None if first is None else (UUID(first), UUID(last))

    def pages(self, size: int = _PAGE) -> Iterator[list[StoredSale]]:
        """Every page but an empty one.

        Raises:
            StorageUnavailable: the database has gone away, or is not one of ours.
        """
        after = UUID(int=0)
        while True:
            rows = self._rows(_READ, {"after": after, "page": size, **self._bounds})
            if not rows:
                return
            yield [StoredSale(*row) for row in rows]
            after = rows[-1][0]

    def _rows(self, statement: LiteralString, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except psycopg.Error:
            raise StorageUnavailable from None


@contextmanager
def settled_sales(url: str, since: datetime | None = None, until: datetime | None = None) -> Iterator[SettledSales]:
    """A connection of its own that can only read, for as long as the block runs.

    Raises:
        StorageUnavailable: the database cannot be reached.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=_PATIENCE, application_name="loyalty-author")
        connection.execute("SELECT set_config('default_transaction_read_only', 'on', false)")
    except psycopg.Error:
        raise StorageUnavailable from None
    with connection:
        yield SettledSales(connection, since, until)


_INTENT: Final = msgspec.json.Decoder(StoredIntent)
_QUOTE: Final = msgspec.json.Decoder(SessionQuote)
