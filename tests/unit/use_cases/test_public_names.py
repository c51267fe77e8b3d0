"""Whoever imports `loyalty_core` finds there the name of everything that its public names speak of."""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Any, Final

import loyalty_core
from loyalty_core import use_cases

_PORTS: Final = "loyalty_core.ports"
"""Whoever implements a port, or looks through one, imports it from there."""


def _called_classes() -> Iterator[type]:
    for found in pkgutil.iter_modules(use_cases.__path__):
        module = importlib.import_module(f"{use_cases.__name__}.{found.name}")
        for name, member in inspect.getmembers(module, inspect.isclass):
            is_own = member.__module__ == module.__name__ and not name.startswith("_")
            if is_own and "__call__" in vars(member) and not getattr(member, "_is_protocol", False):
                yield member


def _spoken_of(subject: Any) -> Iterator[Any]:
    """The types in the fields of a class, in what its public methods take and give; or in a function's."""
    if isinstance(subject, type):
        yield from typing.get_type_hints(subject).values()
        for name, member in vars(subject).items():
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function) and (name in {"__init__", "__call__"} or not name.startswith("_")):
                yield from typing.get_type_hints(function).values()
    elif inspect.isfunction(subject):
        yield from typing.get_type_hints(subject).values()


def _types_in(hint: Any) -> Iterator[Any]:
    origin = typing.get_origin(hint)
    if origin is None:
        yield from (part for each in hint for part in _types_in(each)) if isinstance(hint, list) else (hint,)
        return
    if origin is not UnionType:
        yield origin
    for argument in typing.get_args(hint):
        yield from _types_in(argument)


def _is_ours(kind: Any) -> bool:
    """A class or a kind of id that this package defines for others to use."""
    module, name = getattr(kind, "__module__", None) or "", getattr(kind, "__name__", "_")
    is_name = isinstance(kind, (type, typing.NewType))
    return is_name and module.startswith("loyalty_core.") and not module.startswith(_PORTS) and not name.startswith("_")


def test_everything_that_public_names_speak_of_is_public() -> None:
    """A field, an argument or an answer whose type has to be fetched from a room within is one that nobody promised."""
    public = {name: getattr(loyalty_core, name) for name in loyalty_core.__all__}
    missing = {
        f"{kind.__module__}.{kind.__name__}, which {name} speaks of"
        for name, subject in public.items()
        for hint in _spoken_of(subject)
        for kind in _types_in(hint)
        if _is_ours(kind) and public.get(kind.__name__) is not kind
    }
    assert set() == missing


def test_every_use_case_is_public() -> None:
    """One class, one call each; and all of them are there."""
    found = {member.__name__: member for member in _called_classes()}
    assert {"IdentifyCustomer", "FinalizeSession", "DeliverPending", "RunJob"} <= set(found)
    assert set() == {name for name, member in found.items() if getattr(loyalty_core, name, None) is not member}


def test_public_names_are_listed_once_and_are_there() -> None:
    """So that a star brings what is meant."""
    assert sorted(set(loyalty_core.__all__)) == sorted(loyalty_core.__all__)
    assert all(hasattr(loyalty_core, name) for name in loyalty_core.__all__)
