"""How values go to the database and come back."""

from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import DatetimeBinaryDumper
from psycopg.types.json import set_json_loads
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.uuid import UUIDBinaryDumper


class _UntypedInteger(Int8BinaryDumper):
    """Integers in one width, without a type of their own: the statement says what each parameter is.

    NULL has no type either. Otherwise each pattern of NULLs, and of small and large numbers, would be a prepared
    statement of its own.
    """

    oid = 0


class _UntypedTime(DatetimeBinaryDumper):
    oid = 0


class _UntypedUuid(UUIDBinaryDumper):
    oid = 0


def adapters() -> AdaptersMap:
    """The driver's own, but for numbers, times, ids and JSON."""
    ours = AdaptersMap(psycopg.adapters)
    ours.register_dumper(int, _UntypedInteger)
    ours.register_dumper(datetime, _UntypedTime)
    ours.register_dumper(UUID, _UntypedUuid)
    set_json_loads(_undecoded, ours)
    return ours


def _undecoded(document: str | bytes) -> bytes:
    """JSON as it was stored; it is decoded where its type is known."""
    return document.encode() if isinstance(document, str) else document
