"""The bodies of the calls, with nothing but their types."""

from decimal import Decimal

import msgspec


class Body(msgspec.Struct, frozen=True, rename="camel"):
    """camelCase."""


class IdentifyBody(Body, frozen=True):
    """`POST /identify`."""

    customer_id: str
    channel_id: str
    transaction_id: str


class Item(Body, frozen=True):
    """One line."""

    sku: str
    qty: Decimal
    unit_price: Decimal
    category: str


class CalculateBody(Body, frozen=True):
    """`POST /calculateRewards`."""

    session_id: str
    transaction_amount: Decimal
    items: list[Item]


class FinalizeBody(Body, frozen=True):
    """`POST /finalize`."""

    session_id: str
    transaction_id: str
    final_amount: Decimal
    apply_rewards: bool
