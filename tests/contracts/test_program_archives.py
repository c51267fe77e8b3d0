"""Every `ProgramArchive` keeps the promises of the port."""

import pytest

from loyalty_adapters.memory.programs import MemoryProgramArchive
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.programs import PostgresProgramArchive
from loyalty_core.ports.program_archive import ProgramArchive
from tests.contracts.program_archive_contract import ProgramArchiveContract


class TestMemoryProgramArchive(ProgramArchiveContract):
    @pytest.fixture
    def archive(self) -> ProgramArchive:
        return MemoryProgramArchive()


class TestPostgresProgramArchive(ProgramArchiveContract):
    @pytest.fixture
    def archive(self, connections: Connections) -> ProgramArchive:
        return PostgresProgramArchive(connections)
