"""Hostile input, made by small generators and always the same: what is sent, not how it is judged."""

from tests.hostile.corpus.attacks import Attack, attacks
from tests.hostile.corpus.calls import CALLS, Call

__all__ = ("CALLS", "Attack", "Call", "attacks")
