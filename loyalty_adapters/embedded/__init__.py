"""Real PostgreSQL and Valkey without installing either: see `EmbeddedServers`."""

from loyalty_adapters.embedded.binaries import POSTGRES_FOLDERS
from loyalty_adapters.embedded.errors import EmbeddedServersError
from loyalty_adapters.embedded.process import tethered
from loyalty_adapters.embedded.servers import EmbeddedServers, ServerAddresses

__all__ = ["POSTGRES_FOLDERS", "EmbeddedServers", "EmbeddedServersError", "ServerAddresses", "tethered"]
