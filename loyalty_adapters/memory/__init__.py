"""Every port in memory: for other services' tests, and for ours. `MemoryLoyalty` has all of it put together."""

from loyalty_adapters.memory.answer_cache import MemoryAnswerCache
from loyalty_adapters.memory.api_keys import MemoryApiKeys
from loyalty_adapters.memory.clock import ManualClock
from loyalty_adapters.memory.delivery_queue import MemoryDeliveryQueue
from loyalty_adapters.memory.host import Course, HostCall, LedgerEntry, MemoryHost
from loyalty_adapters.memory.identifiers import MemoryIdentifierSource
from loyalty_adapters.memory.job_ledger import MemoryJobLedger
from loyalty_adapters.memory.programs import FixedProgram, MemoryProgramArchive
from loyalty_adapters.memory.service import MemoryLoyalty
from loyalty_adapters.memory.session_archive import MemorySessionArchive
from loyalty_adapters.memory.sessions import MemorySessions
from loyalty_adapters.memory.sweeps import MemoryAnswerRecords, MemorySessionSweep

__all__ = [
    "Course",
    "FixedProgram",
    "HostCall",
    "LedgerEntry",
    "ManualClock",
    "MemoryAnswerCache",
    "MemoryAnswerRecords",
    "MemoryApiKeys",
    "MemoryDeliveryQueue",
    "MemoryHost",
    "MemoryIdentifierSource",
    "MemoryJobLedger",
    "MemoryLoyalty",
    "MemoryProgramArchive",
    "MemorySessionArchive",
    "MemorySessionSweep",
    "MemorySessions",
]
