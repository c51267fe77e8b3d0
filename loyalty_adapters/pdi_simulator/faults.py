"""Which call misbehaves, and how: the rules, their choice, and the count of what really happened."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Final

import msgspec

PDI_CALLS: Final = ("identify", "calculateRewards", "finalize", "getSessionStatus", "return")
TOKEN: Final = "token"  # noqa: S105 - the name of an endpoint
ENDPOINTS: Final = (*PDI_CALLS, TOKEN)
_IN_SESSION: Final = tuple(call for call in PDI_CALLS if call != "identify")
_MAX_LATENCY_MS: Final = 3_600_000


class FaultError(ValueError):
    """The rules make no sense; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Mode:
    """What a mode does unless told otherwise, whether a rule may choose to carry the call out, and where it works."""

    carries_out: bool
    may_choose: bool = False
    latency_ms: int = 0
    endpoints: tuple[str, ...] = PDI_CALLS
    only: tuple[str, ...] = ENDPOINTS


MODES: Final = {
    "ok": Mode(carries_out=True, endpoints=ENDPOINTS),
    "latency": Mode(carries_out=True),
    "timeout": Mode(carries_out=False, may_choose=True),
    "http_500": Mode(carries_out=False, may_choose=True),
    "http_503": Mode(carries_out=False, may_choose=True),
    "rate_limited": Mode(carries_out=False),
    "garbage": Mode(carries_out=True, may_choose=True),
    "truncated": Mode(carries_out=True),
    "wrong_types": Mode(carries_out=True),
    "huge": Mode(carries_out=True),
    "slow_headers": Mode(carries_out=True, latency_ms=30_000),
    "slow_body": Mode(carries_out=True, latency_ms=30_000),
    "drop_after_commit": Mode(carries_out=True),
    "late_success": Mode(carries_out=True, latency_ms=12_000),
    "duplicate_reply": Mode(carries_out=True),
    "reset": Mode(carries_out=False, may_choose=True),
    "reject": Mode(carries_out=False),
    "unauthorized": Mode(carries_out=False),
    "token_down": Mode(carries_out=False, endpoints=(TOKEN,), only=(TOKEN,)),
    "session_lost": Mode(carries_out=False, endpoints=_IN_SESSION, only=_IN_SESSION),
}


class FaultSpec(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, omit_defaults=False):
    """One rule as the control API takes and shows it; absent fields take the mode's defaults."""

    mode: str
    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=_MAX_LATENCY_MS)] | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    endpoints: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    seed: int = 0
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    commits: bool | None = None
    status: Annotated[int, msgspec.Meta(ge=400, le=499)] = 422
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "transaction_rejected"
    retry_after_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 1


class Rule:
    """A rule at work: its draws come from its own seed, in the order in which matching calls arrive."""

    def __init__(self, spec: FaultSpec) -> None:
        mode = _checked(spec)
        self.spec = spec
        self.mode = spec.mode
        self.endpoints = frozenset(spec.endpoints or mode.endpoints)
        self.latency = (mode.latency_ms if spec.latency_ms is None else spec.latency_ms) / 1000
        self.carries_out = mode.carries_out if spec.commits is None else spec.commits
        self.fired = 0
        self._to_skip = spec.skip
        self._random = Random(spec.seed)  # noqa: S311 - a repeatable fault, not a secret

    def takes(self, endpoint: str) -> bool:
        """Whether this call is the rule's."""
        if endpoint not in self.endpoints or (self.spec.times is not None and self.fired >= self.spec.times):
            return False
        if self.spec.probability < 1 and self._random.random() >= self.spec.probability:
            return False
        if self._to_skip:
            self._to_skip -= 1
            return False
        self.fired += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """The rule with its defaults filled in, and how often it fired."""
        shown: dict[str, Any] = msgspec.to_builtins(self.spec)
        shown["endpoints"] = [endpoint for endpoint in ENDPOINTS if endpoint in self.endpoints]
        shown["latencyMs"] = round(self.latency * 1000)
        shown["commits"] = self.carries_out
        shown["fired"] = self.fired
        return shown


class FaultPlan:
    """The rules in force; the first that takes a call has it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._fired: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def put(self, body: bytes) -> None:
        """Replaces all rules by `body`: one rule, a list of rules, or `{"rules": [...]}`.

        Raises:
            FaultError: unreadable, or a rule that cannot do what it says.
        """
        try:
            value = msgspec.json.decode(body)
            if isinstance(value, dict) and "rules" in value:
                value = value["rules"]
            specs = msgspec.convert(value if isinstance(value, list) else [value], list[FaultSpec])
        except msgspec.DecodeError as error:
            raise FaultError(str(error)) from None
        self.rules = [Rule(spec) for spec in specs]

    def pick(self, endpoint: str) -> Rule | None:
        """The rule that has this call, counted as fired; None for an undisturbed one."""
        for rule in self.rules:
            if rule.takes(endpoint):
                self._fired[rule.mode][endpoint] += 1
                return rule
        return None

    def clear(self) -> None:
        """No rules, nothing counted."""
        self.rules = []
        self._fired.clear()

    def as_json(self) -> dict[str, Any]:
        """Rules in force and what fired since the last reset, in all and by endpoint."""
        return {
            "rules": [rule.as_json() for rule in self.rules],
            "fired": {mode: counts.total() for mode, counts in self._fired.items()},
            "firedByEndpoint": {mode: dict(counts) for mode, counts in self._fired.items()},
        }


def _checked(spec: FaultSpec) -> Mode:
    mode = MODES.get(spec.mode)
    if mode is None:
        raise FaultError(f"There is no mode {spec.mode!r}; there are: {', '.join(MODES)}.")
    for endpoint in spec.endpoints or ():
        if endpoint not in ENDPOINTS:
            raise FaultError(f"There is no endpoint {endpoint!r}; there are: {', '.join(ENDPOINTS)}.")
        if endpoint not in mode.only:
            raise FaultError(f"Mode {spec.mode!r} means nothing at {endpoint!r}; it works at: {', '.join(mode.only)}.")
    if spec.mode == "latency" and spec.latency_ms is None:
        raise FaultError("Mode 'latency' needs `latencyMs`.")
    if spec.commits is not None and spec.commits is not mode.carries_out and not mode.may_choose:
        does = "always carries the call out" if mode.carries_out else "never carries the call out"
        raise FaultError(f"Mode {spec.mode!r} {does}; `commits` cannot change that.")
    return mode
