"""The ledger check: what the POS was answered, what our database says and what PDI has booked are one and the same.

It closes every fault and load test, once PDI is well and the queue has drained. It knows nothing of how the service
works: it takes what was observed on three sides and names every sale on which they disagree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.faults.books import SessionRow

SETTLED: Final = frozenset({"finalized", "partially_returned", "returned"})
OPEN: Final = frozenset({"active", "calculated"})
REPEAT: Final = frozenset({"in_flight", "outcome_unknown"})
"""The two errors that promise nothing: repeat the same call."""
_MANY: Final = 20


class Sale(NamedTuple):
    """The name of a sale on all three sides."""

    channel: str
    transaction: str


class Observation(NamedTuple):
    """What one call of one sale was answered; `status` is None where nothing reached the POS."""

    sale: Sale
    call: str
    status: int | None
    code: str | None = None
    body: Mapping[str, Any] | None = None

    @property
    def is_error(self) -> bool:
        """Whether it was told that nothing will happen."""
        return self.status is not None and self.status >= 400 and self.code not in REPEAT


class Commit(NamedTuple):
    """One entry of PDI's ledger."""

    sale: Sale
    kind: str
    points: int
    key: str
    pdi_session: str

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Commit":
        """An entry as the simulator lists it."""
        sale = Sale(entry["channelId"], entry["transactionId"])
        return cls(sale, entry["kind"], entry["points"], entry["idempotencyKey"], entry["pdiSessionId"])


class LedgerDisagreement(AssertionError):
    """Names every sale on which the sides disagree."""

    def __init__(self, findings: Sequence[str]) -> None:
        shown = "\n  ".join(findings[:_MANY])
        more = f"\n  and {len(findings) - _MANY} more" if len(findings) > _MANY else ""
        super().__init__(f"{len(findings)} disagreements:\n  {shown}{more}")
        self.findings = tuple(findings)


class Verdict(NamedTuple):
    """What a clean check has covered."""

    sales: int
    booked: int
    """Sales with an accrual in PDI's ledger."""
    ok: int
    """Sales that were answered 200."""
    accepted: int
    """Sales whose best answer was 202."""
    refused: int
    """Sales that heard errors only."""
    unheard: int
    """Sales of which the POS never learnt the outcome."""


def check(
    observations: Iterable[Observation], ledger: Iterable[Mapping[str, Any]], sessions: Iterable[SessionRow]
) -> Verdict:
    """Hold the three sides against one another.

    `sessions` are those of every sale in `observations` and in `ledger`; nothing may be under way any more.

    Raises:
        LedgerDisagreement: with one line for each sale and rule broken.
    """
    commits = [Commit.of(entry) for entry in ledger]
    rows = list(sessions)
    answers: defaultdict[Sale, list[Observation]] = defaultdict(list)
    for observation in observations:
        answers[observation.sale].append(observation)
    findings = [*_nothing_twice(commits), *_nothing_unknown(commits, rows)]
    by_key: defaultdict[str, list[Commit]] = defaultdict(list)
    for commit in commits:
        by_key[commit.key].append(commit)
    for row in rows:
        findings += _our_books_agree(row, by_key)
    of_sale: defaultdict[Sale, list[SessionRow]] = defaultdict(list)
    for row in rows:
        of_sale[Sale(row.channel, row.transaction)].append(row)
    accruals = {commit.sale: commit for commit in commits if commit.kind == "accrual"}
    ends = Counter[str]()
    for sale, heard in answers.items():
        finalizes = [observation for observation in heard if observation.call == "finalize"]
        ends[_end(finalizes)] += 1
        findings += _answers_are_kept(sale, finalizes, accruals.get(sale), of_sale[sale])
    if findings:
        raise LedgerDisagreement(findings)
    return Verdict(len(answers), len(accruals), ends["ok"], ends["accepted"], ends["refused"], ends["unheard"])


def _nothing_twice(commits: Sequence[Commit]) -> list[str]:
    """No kind of commit occurs twice for a sale, a PDI session or a key; several returns have a key each."""
    findings = []
    for kind in ("accrual", "redemption"):
        of_kind = [commit for commit in commits if commit.kind == kind]
        for what, groups in (
            ("sale", Counter(commit.sale for commit in of_kind)),
            ("PDI session", Counter(commit.pdi_session for commit in of_kind)),
        ):
            findings += [
                f"{what} {name}: {times} commits of kind {kind}" for name, times in groups.items() if times > 1
            ]
    keys = Counter((commit.key, commit.kind) for commit in commits)
    findings += [f"key {key}: {times} commits of kind {kind}" for (key, kind), times in keys.items() if times > 1]
    return findings


def _nothing_unknown(commits: Sequence[Commit], rows: Sequence[SessionRow]) -> list[str]:
    known = {row.id for row in rows}
    return [
        f"{commit.sale.transaction}: PDI booked {commit.key}, of which we know nothing"
        for commit in commits
        if commit.key.partition(":")[0] not in known
    ]


def _our_books_agree(row: SessionRow, by_key: Mapping[str, Sequence[Commit]]) -> list[str]:
    """One session, its timeline, and what PDI booked under its keys."""
    name = f"{row.transaction} ({row.id})"
    commits = [commit for number in range(1, row.intents + 1) for commit in by_key.get(f"{row.id}:{number}", ())]
    points: Counter[str] = Counter()
    for commit in commits:
        points[commit.kind] += commit.points
    booked = [commit for commit in commits if commit.kind == "accrual"]
    findings = []
    rewarded = row.status in SETTLED and not row.count("finalized_without_rewards")
    if rewarded and not booked:
        findings.append(f"{name} is {row.status} and PDI has booked nothing: LOST")
    if booked and not rewarded and not (row.status == "finalizing" and row.parked):
        findings.append(f"{name} is {row.status} and PDI has booked {points['accrual']} points")
    if rewarded and booked and row.booked_points != points["accrual"]:
        findings.append(f"{name} has {row.booked_points} points, PDI booked {points['accrual']}")
    for kind, ours in (
        ("redemption", row.redeemed_points),
        ("reversal", row.points_reversed),
        ("restoration", row.points_restored),
    ):
        if points[kind] != ours:
            findings.append(f"{name}: {ours} points of {kind} here, {points[kind]} at PDI")
    if row.status == "finalizing" and not row.parked:
        findings.append(f"{name} is still finalizing: nothing more is under way, and nothing is decided")
    return findings + _timeline_agrees(row, name)


def _timeline_agrees(row: SessionRow, name: str) -> list[str]:
    findings = []
    if not row.events or row.events[-1][1] != row.status:
        findings.append(f"{name} is {row.status}, its timeline ends with {row.events[-1:]}")
    intended = row.count("finalize_intended")
    returns = row.count("return_intended")
    if row.intents != intended + returns:
        findings.append(f"{name} has had {row.intents} intents, its timeline {intended} and {returns} returns")
    settlements = row.count("host_accepted") + row.count("finalized_without_rewards")
    if settlements != (row.status in SETTLED):
        findings.append(f"{name} is {row.status}, its timeline settles it {settlements} times")
    return findings


def _end(finalizes: Sequence[Observation]) -> str:
    """The strongest thing a POS heard: a 200, a 202, only errors that are final, or nothing it can count on."""
    statuses = {observation.status for observation in finalizes}
    if 200 in statuses:
        return "ok"
    if 202 in statuses:
        return "accepted"
    return "refused" if all(observation.is_error for observation in finalizes) else "unheard"


def _answers_are_kept(
    sale: Sale, finalizes: Sequence[Observation], accrual: Commit | None, rows: Sequence[SessionRow]
) -> list[str]:
    """What the POS was told about a sale is what happened."""
    name = sale.transaction
    statuses = {row.status for row in rows}
    settled = bool(statuses & SETTLED)
    findings = _one_answer(name, finalizes)
    match _end(finalizes):
        case "ok":
            findings += _a_200_is_kept(name, finalizes, accrual)
            if not settled:
                findings.append(f"{name} was answered 200 and is {statuses or 'unknown'}")
        case "accepted":
            if not ((accrual is not None and settled) or (accrual is None and "failed" in statuses)):
                findings.append(f"{name} was answered 202 and is {statuses}, booked: {accrual}")
        case "refused":
            if accrual is not None or settled:
                findings.append(f"{name} heard only errors and is {statuses}, booked: {accrual}")
        case _:
            if (accrual is not None) != settled:
                findings.append(f"{name} went unanswered and is {statuses}, booked: {accrual}")
    return findings


def _a_200_is_kept(name: str, finalizes: Sequence[Observation], accrual: Commit | None) -> list[str]:
    told = {points for _, points, _ in _told(finalizes, 200)}
    if accrual is None:
        return [f"{name} was answered 200 and PDI has booked nothing: LOST"] if any(told) else []
    return [] if told == {accrual.points} else [f"{name} was answered {told} points, PDI booked {accrual.points}"]


def _one_answer(name: str, finalizes: Sequence[Observation]) -> list[str]:
    """Equal calls get equal answers: one of each kind."""
    return [
        f"{name} was answered {status} in {len(told)} ways: {told}"
        for status in (200, 202)
        if len(told := _told(finalizes, status)) > 1
    ]


def _told(finalizes: Sequence[Observation], status: int) -> set[tuple[str, int, str]]:
    """The different answers with `status`: session, points, receipt."""
    return {
        (observation.body["sessionId"], observation.body["earnedPoints"], observation.body["receiptId"])
        for observation in finalizes
        if observation.status == status and observation.body is not None
    }
