from loyalty_core.domain.caller import Caller
from loyalty_core.domain.program import RewardProgram
from loyalty_core.use_cases.loyalty import Loyalty


class Desk:
    """Where a sale's calls are served: whose call it is, the program in force for it, and what can be asked for.

    One thing on purpose: of several that a handler asks for, Litestar makes each in a task of its own, and three tasks
    cost more than decoding, judging and encoding the call together.
    """

    __slots__ = ("caller", "loyalty", "program")

    def __init__(self, caller: Caller, program: RewardProgram, loyalty: Loyalty) -> None:
        self.caller = caller
        self.program = program
        self.loyalty = loyalty
