"""Reading a program that may be wrong in many places at once, without stopping at the first.

A value that cannot be read is noted and replaced by a stand-in, so that everything else can still be judged where it
stands.
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from msgspec import NODEFAULT, inspect

from loyalty_core.domain.basket import FieldPath, format_path
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_mistakes import Finding


class _Scalar(NamedTuple):
    """A kind of single value: its type, what an author calls it, and what stands in for one."""

    type: type
    called: str
    stand_in: Any


_SCALARS: Final[dict[type[inspect.Type], _Scalar]] = {
    inspect.StrType: _Scalar(str, "a text in quotes", ""),
    inspect.IntType: _Scalar(int, "a whole number", 0),
    inspect.DecimalType: _Scalar(Decimal, "a number", Decimal(0)),
    inspect.BoolType: _Scalar(bool, "true or false", False),
    inspect.DateTimeType: _Scalar(datetime, "a local date and time such as 2026-03-01T00:00:00", None),
    inspect.TimeType: _Scalar(time, "a time of day such as 22:00:00", time.min),
}


class ProgramDraft(RewardProgram, frozen=True):
    """A program as its author wrote it, mistakes and all; fit to be judged, not to calculate with."""

    def __post_init__(self) -> None:
        """Nothing is refused here: the reader collects."""


class DraftReader:
    """Reads the plain values of a TOML file into the types of a program; `findings` collects what does not fit."""

    def __init__(self) -> None:
        self.findings: Final[list[Finding]] = []

    def read(self, document: Mapping[str, Any]) -> ProgramDraft:
        """The program in `document`, with stand-ins where `findings` say so."""
        return ProgramDraft(**self._fields((), inspect.type_info(RewardProgram), document))

    def _fields(self, path: FieldPath, kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
        known = {field.name: field for field in kind.fields}
        for key in document:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(known)}"
                self.findings.append(Finding(f"is not a key of {_owner(path)}; {hint}", (*path, key)))
        values = {}
        for name, field in known.items():
            if name in document:
                values[name] = self._value((*path, name), field.type, document[name], field.default)
            elif field.required:
                values[name] = self._unreadable((*path, name), field.type, "is missing")
        return values

    def _value(self, path: FieldPath, kind: Any, value: Any, default: Any = NODEFAULT) -> Any:
        match kind:
            case inspect.UnionType(types=(known, inspect.NoneType())):
                return self._value(path, known, value, default)
            case inspect.StructType() if isinstance(value, dict):
                return kind.cls(**self._fields(path, kind, value))
            case inspect.VarTupleType() if isinstance(value, list):
                return tuple(self._value((*path, place), kind.item_type, each) for place, each in enumerate(value))
            case inspect.EnumType() if value in list(kind.cls):
                return kind.cls(value)
            case inspect.DecimalType() if type(value) is int:
                return Decimal(value)
            case inspect.DateTimeType() if type(value) is date:
                return datetime.combine(value, time.min)
            case _ if type(kind) in _SCALARS and type(value) is _SCALARS[type(kind)].type:
                return value
            case _:
                return self._unreadable(path, kind, f"must be {_called(kind)}", default)

    def _unreadable(self, path: FieldPath, kind: Any, message: str, default: Any = NODEFAULT) -> Any:
        self.findings.append(Finding(message, path))
        return _stand_in(kind) if default is NODEFAULT else default


def _called(kind: Any) -> str:
    match kind:
        case inspect.StructType():
            return "a table"
        case inspect.VarTupleType():
            return "an array"
        case inspect.EnumType():
            return f"one of {', '.join(each.value for each in kind.cls)}"
        case _:
            return _SCALARS[type(kind)].called


def _stand_in(kind: Any) -> Any:
    match kind:
        case inspect.StructType():
            return kind.cls(**{field.name: _stand_in(field.type) for field in kind.fields if field.required})
        case inspect.EnumType():
            return next(iter(kind.cls))
        case _:
            return _SCALARS[type(kind)].stand_in


def _owner(path: FieldPath) -> str:
    return format_path(path) or "a program"
