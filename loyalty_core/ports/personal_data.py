from typing import Protocol

from loyalty_core.domain.identifiers import CustomerId


class PersonalData(Protocol):
    """A person's right to be forgotten."""

    async def forget(self, customer: CustomerId) -> int:
        """Erase the customer's snapshot, and the name from every session and answer, archived ones included.

        What a POS has written freely goes too, for it may hold a name: a session's metadata, the reason of a cancel.
        Points, sales and their timelines stay: they are the accounts. Returns how many sessions the customer has.
        Repeating it is harmless; a call that is at work on one of the sessions meanwhile may write the name once
        more into an answer, which is cleared within the hour.

        Raises:
            StorageUnavailable, Overloaded: some of it may be erased already; repeat it.
        """
        ...
