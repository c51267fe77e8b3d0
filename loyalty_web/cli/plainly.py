"""Errors of commands as sentences for people: no traceback for what an operator can mend."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from loyalty_core.domain.errors import LoyaltyError
from loyalty_web.variables import SettingsError


class SettingsRefused(click.ClickException):
    """The environment cannot be used."""

    exit_code = 2


@contextmanager
def plainly() -> Iterator[None]:
    """Turn errors that an operator can mend into one message and an exit code: 2 for settings, 1 for the rest."""
    try:
        yield
    except SettingsError as error:
        raise SettingsRefused(str(error)) from None
    except LoyaltyError as error:
        raise click.ClickException(f"{error.message} ({error.code})") from None
