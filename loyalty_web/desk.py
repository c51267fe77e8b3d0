from loyalty_core.domain.caller import Caller
from loyalty_core.domain.program import RewardProgram
from loyalty_core.use_cases.loyalty import Loyalty


class Desk:
    """Where a sale's calls are served: whose call it is, the program in force for it, and what can be asked for.

    A request has it, and no handler asks to be given it: what Litestar does to give something to a handler costs more
    than decoding, judging and encoding the call together.
    """

    __slots__ = ("caller", "loyalty", "program")

    def __init__(self, caller: Caller, program: RewardProgram, loyalty: Loyalty) -> None:
        self.caller = caller
        self.program = program
        self.loyalty = loyalty
