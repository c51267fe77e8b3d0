import msgspec

from loyalty_core.ports.answer_cache import AnswerCache
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.delivery_queue import DeliveryQueue
from loyalty_core.ports.identifier_source import IdentifierSource
from loyalty_core.ports.loyalty_host import LoyaltyHost
from loyalty_core.ports.observer import Observer
from loyalty_core.ports.program_archive import ProgramArchive
from loyalty_core.ports.program_source import ProgramSource
from loyalty_core.ports.session_store import SessionStore


class Bookkeeping(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to change a session and to say so; enough for whoever does not ask the host."""

    store: SessionStore
    clock: Clock
    identifiers: IdentifierSource
    observer: Observer


class Ports(Bookkeeping, frozen=True, kw_only=True):
    """What the core needs of the world."""

    queue: DeliveryQueue
    host: LoyaltyHost
    cache: AnswerCache
    programs: ProgramSource
    archive: ProgramArchive
