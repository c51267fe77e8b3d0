"""How often a process looks for objects that only hold each other."""

import gc
from typing import Final

_YOUNG: Final = 25_000
"""Objects that are made, and not freed again, between two looks at the youngest; Python's own 700 are a call or two."""
_MIDDLE: Final = 20
_OLD: Final = 50


def collect_seldom() -> None:
    """Once everything is set up: never look at that again, and at what comes after it less often.

    Calls leave few cycles behind, and each look goes over all that is being worked on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
