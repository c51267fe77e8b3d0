"""Settings from environment variables: each declared once, on the field it fills, with meaning, bounds and default."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec
from environs import EnvError, EnvValidationError, FileAwareEnv, ValidationError, validate

SectionT = TypeVar("SectionT", bound="Section")

FILE_SUFFIX: Final = "_FILE"
"""Every variable may be given as the path of a file that holds its value; surrounding white space does not count."""


class SettingsError(Exception):
    """The environment cannot be used. The message names every variable that is missing or wrong, and no value."""

    def __init__(self, mistakes: dict[str, str]) -> None:
        listed = "\n".join(f"  {name}: {mistake}" for name, mistake in mistakes.items())
        super().__init__(f"The settings in the environment cannot be used:\n{listed}")
        self.mistakes = mistakes


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What fills a field: the environment variable's name, and what an operator has to know of it."""

    name: str
    meaning: str
    """One line for the table in the README."""
    also: str | None = None
    """Another name, read where the first is not set."""
    least: float | None = None
    most: float | None = None
    at_least_characters: int | None = None
    secret: bool = False
    judge: Callable[[str], str | None] | None = None
    """What is wrong with a value, in words that do not repeat it; None where nothing is."""


class Row(msgspec.Struct, frozen=True):
    """One line of the table of variables."""

    name: str
    required: bool
    default: str
    meaning: str

    def __str__(self) -> str:
        return f"| `{self.name}` | {'yes' if self.required else 'no'} | {self.default or '-'} | {self.meaning} |"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the groups of settings. Every field is annotated with its `Variable`; its repr shows no secret."""

    def __repr__(self) -> str:
        hidden = {field for field, (_, variable) in _declared(type(self)).items() if variable.secret}
        shown = (f"{field}={getattr(self, field)!r}" for field in type(self).__struct_fields__ if field not in hidden)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("", repr(self))]


class Reader:
    """Reads sections, and remembers everything that was wrong with them until it is asked."""

    def __init__(self) -> None:
        self._env = FileAwareEnv(strip_whitespace=True)
        self._mistakes: dict[str, str] = {}

    def read(self, section: type[SectionT]) -> SectionT | None:
        """The section, or None where something is wrong with it."""
        before = len(self._mistakes)
        defaults = {field.name: field.default for field in msgspec.structs.fields(section)}
        values = {
            field: self._value(kind, variable, defaults[field])
            for field, (kind, variable) in _declared(section).items()
        }
        return section(**values) if len(self._mistakes) == before else None

    def note(self, variable: str, mistake: str) -> None:
        """Report what only shows when the whole is seen."""
        self._mistakes.setdefault(variable, mistake)

    def finish(self) -> None:
        """Raise `SettingsError` where anything was wrong."""
        if self._mistakes:
            raise SettingsError(self._mistakes)

    def _value(self, kind: type[Any], variable: Variable, default: Any) -> Any:
        parse = getattr(self._env, _PARSERS.get(kind, "str"))
        name = variable.name
        try:
            if variable.also is not None:
                name = variable.also
                default = parse(name, default=default, validate=_checks(kind, variable))
                name = variable.name
            if default is msgspec.NODEFAULT:
                value = parse(name, validate=[validate.Length(min=1, error="is required"), *_checks(kind, variable)])
            else:
                value = parse(name, default=default, validate=_checks(kind, variable))
        except EnvValidationError as error:
            self._mistakes[name] = _sentence(list(error.error_messages))
            return None
        except EnvError:
            self._mistakes[name] = "is required"
            return None
        except ValueError:
            self._mistakes[name] = f"{name}{FILE_SUFFIX} does not name a readable file"
            return None
        return kind(value) if issubclass(kind, StrEnum) else value


def table(*sections: type[Section]) -> tuple[Row, ...]:
    """The lines of the table of variables, in the order in which they are declared."""
    rows = []
    for section in sections:
        defaults = {field.name: field.default for field in msgspec.structs.fields(section)}
        for field, (_, variable) in _declared(section).items():
            default = defaults[field]
            required = default is msgspec.NODEFAULT
            also = "" if variable.also is None else f" (`{variable.also}` is still read)"
            shown = "" if required or default in {None, ""} else str(default)
            rows.append(Row(variable.name, required, shown, variable.meaning + also))
    return tuple(rows)


_PARSERS: Final[dict[type[Any], str]] = {int: "int", float: "float", bool: "bool", str: "str"}


def _declared(section: type[Section]) -> dict[str, tuple[type[Any], Variable]]:
    """The type and the variable of each field."""
    declared = {}
    hints = get_type_hints(section, include_extras=True)
    for field in section.__struct_fields__:
        annotated, variable = get_args(hints[field])
        kind = next((part for part in get_args(annotated) if part is not type(None)), annotated)
        declared[field] = (kind, variable)
    return declared


def _checks(kind: type[Any], variable: Variable) -> list[Callable[[Any], Any]]:
    checks: list[Callable[[Any], Any]] = []
    if issubclass(kind, StrEnum):
        words = [word.value for word in kind]
        checks.append(validate.OneOf(words, error=f"must be one of {', '.join(words)}"))
    if variable.least is not None or variable.most is not None:
        checks.append(validate.Range(variable.least, variable.most, error="must be between {min} and {max}"))
    if variable.at_least_characters is not None:
        least = variable.at_least_characters
        checks.append(validate.Length(min=least, error=f"must have at least {least} characters"))
    if variable.judge is not None:
        checks.append(_judged_by(variable.judge))
    return [_unless_absent(check) for check in checks]


def _judged_by(judge: Callable[[str], str | None]) -> Callable[[str], str]:
    def check(value: str) -> str:
        mistake = judge(value)
        if mistake is not None:
            raise ValidationError(mistake)
        return value

    return check


def _unless_absent(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if value is None else check(value)


def _sentence(messages: list[str]) -> str:
    return "; ".join(message.rstrip(".").replace("Not a valid", "is not a valid") for message in messages)
