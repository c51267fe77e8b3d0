"""What `promtool check metrics` and our own rules would say of an exposition."""

import re
from collections.abc import Iterator
from typing import Final

from prometheus_client.openmetrics.parser import text_string_to_metric_families

_NAME: Final = re.compile(r"loyalty_[a-z][a-z0-9_]*")
_UNBASED_UNITS: Final = ("_milliseconds", "_ms", "_minutes", "_hours", "_kilobytes", "_percent")
_RESERVED: Final = ("_count", "_sum", "_bucket", "_total", "_info", "_created")
_UNBOUNDED_LABELS: Final = frozenset({
    "id", "path", "url", "session", "session_id", "customer", "customer_id", "transaction", "client", "trace", "pid",
})  # fmt: skip
_ID_LIKE: Final = re.compile(r"sess_|[0-9a-f]{8}-[0-9a-f]{4}|[0-9a-f]{16}|\?|=")


def faults(openmetrics: str) -> list[str]:
    """Everything that is wrong with it, in words; a text that does not parse raises `ValueError`."""
    return list(_faults(openmetrics))


def _faults(openmetrics: str) -> Iterator[str]:
    families = text_string_to_metric_families(openmetrics)  # type: ignore[no-untyped-call]  # the library left it untyped
    for family in families:
        name = family.name
        if not _NAME.fullmatch(name):
            yield f"{name}: not a name of ours"
        if not family.documentation or not family.documentation.endswith("."):
            yield f"{name}: no HELP that is a sentence"
        if family.type not in {"counter", "gauge", "histogram"}:
            yield f"{name}: of type {family.type}"
        if name.endswith(_UNBASED_UNITS):
            yield f"{name}: not in a base unit"
        if name.endswith(_RESERVED) and name != "loyalty_build_info":
            yield f"{name}: ends like a sample of another type"
        if family.type == "histogram" and not name.endswith(("_seconds", "_bytes")):
            yield f"{name}: a histogram without its unit"
        for sample in family.samples:
            if family.type == "counter" and not sample.name.endswith("_total"):
                yield f"{sample.name}: a counter that does not end in _total"
            yield from _label_faults(sample.name, sample.labels)


def _label_faults(name: str, labels: dict[str, str]) -> Iterator[str]:
    for label, value in labels.items():
        if label in _UNBOUNDED_LABELS:
            yield f"{name}: label {label} has no bound"
        if _ID_LIKE.search(value):
            yield f"{name}: {label}={value!r} looks like an id"
        if not value:
            yield f"{name}: {label} is empty"
