"""As much of PromQL as is needed to hold the names in an expression to the metrics that there are."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

_SELECTOR: Final = re.compile(r"\b(loyalty[_:][a-z0-9_:]*)\s*(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r"\s*(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"\s*(?:,|$)")
_GROUPING: Final = re.compile(r"\bby\s*\(([^)]*)\)")
_SCRAPE: Final = frozenset({"le", "instance"})
"""Labels that the exposition of one process need not have."""


class Sample(NamedTuple):
    """One line of an exposition, without its value."""

    name: str
    labels: Mapping[str, str]


def samples(text: str) -> list[Sample]:
    """The lines of an exposition in Prometheus's own format."""
    return [
        Sample(sample.name, sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def faults(expression: str, known: Iterable[Sample], recorded: Iterable[str]) -> list[str]:
    """What an expression names that is not there: metrics, labels, and values of labels."""
    known = list(known)
    found = []
    for name, matchers in _SELECTOR.findall(expression):
        if ":" in name:
            found += [] if name in set(recorded) else [f"{name}: no such recording rule"]
            continue
        those = [sample for sample in known if sample.name == name]
        found += [] if those else [f"{name}: no such metric"]
        if those:
            found += list(_label_faults(name, matchers, those))
    labels = {label for sample in known for label in sample.labels} | _SCRAPE
    for grouping in _GROUPING.findall(expression):
        found += [
            f"by ({label}): no such label" for label in map(str.strip, grouping.split(",")) if label not in labels
        ]
    return found


def _label_faults(name: str, matchers: str, those: list[Sample]) -> Iterator[str]:
    if _MATCHER.sub("", matchers):
        yield f"{name}: cannot read {matchers}"
    for label, operator, wanted in _MATCHER.findall(matchers):
        there = {sample.labels[label] for sample in those if label in sample.labels}
        if not there:
            yield f"{name}: no label {label}"
        # Each alternative of a pattern on its own: a list of which one word is misspelt still matches the others.
        for word in wanted.split("|"):
            if not any(re.fullmatch(word, value) if "~" in operator else word == value for value in there):
                yield f"{name}: {label} is never {word}"
