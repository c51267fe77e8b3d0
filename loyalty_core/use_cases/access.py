"""Finding a session for a caller without telling others that it exists."""

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import SessionNotFound
from loyalty_core.domain.identifiers import SessionId
from loyalty_core.ports.session_store import Loaded, SessionStore


async def load_for(store: SessionStore, caller: Caller, session_id: SessionId) -> Loaded:
    """The session as stored.

    Raises:
        SessionNotFound: there is none, or the caller may not know of it; the two cannot be told apart.
    """
    loaded = await store.find(session_id, seen_by=caller)
    if loaded is None:
        raise SessionNotFound
    return loaded
