"""What the journal holds: facts that have happened, each enough to happen again at the next start.

Arrays with a short tag rather than objects: a million of them are read back at every start.
"""

import msgspec


class SessionOpened(msgspec.Struct, array_like=True, tag="open", frozen=True, gc=False):
    """A customer was identified at a channel for a transaction."""

    session_id: str
    channel_id: str
    transaction_id: str
    customer_id: str
    at: int


class Finalized(msgspec.Struct, array_like=True, tag="fin", frozen=True, gc=False):
    """Points were booked: the accrual, the redemption where there was one, and the answer of record."""

    session_id: str
    key: str
    body_print: int
    earned: int
    redeemed: int
    balance: int
    receipt_id: str
    at: int


class Returned(msgspec.Struct, array_like=True, tag="ret", frozen=True, gc=False):
    """Points went back: the reversal, the restoration where there was one, and the answer of record."""

    session_id: str
    key: str
    body_print: int
    return_id: str
    reversed: int
    restored: int
    balance: int
    at: int


class CustomerPut(msgspec.Struct, array_like=True, tag="cust", frozen=True, gc=False):
    """The control API created or changed an account."""

    customer_id: str
    name: str
    tier: str
    points: int
    suspended: bool


class Tampered(msgspec.Struct, array_like=True, tag="tamper", frozen=True, gc=False):
    """The control API falsified one ledger entry: `lose`, `double`, or `change` to `points`."""

    action: str
    number: int
    points: int


class SessionDropped(msgspec.Struct, array_like=True, tag="drop", frozen=True, gc=False):
    """The control API made PDI `forget` a session or let it `expire`."""

    action: str
    session_id: str


Record = SessionOpened | Finalized | Returned | CustomerPut | Tampered | SessionDropped
