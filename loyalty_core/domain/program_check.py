"""Telling a program's author everything that is wrong, in one go."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from loyalty_core.domain.program_draft import DraftReader, ProgramDraft
from loyalty_core.domain.program_mistakes import ProgramMistake
from loyalty_core.domain.program_rules import program_findings


def check_program(text: str) -> tuple[ProgramMistake, ...]:
    """Every mistake in `text`, a program in TOML; none if it is sound.

    First the values that cannot be read, then the rules that the others break. A syntax error stands alone, as nothing
    else can be told about such a file.
    """
    return read_program(text)[1]


def read_program(text: str) -> tuple[ProgramDraft | None, tuple[ProgramMistake, ...]]:
    """The program in `text` as far as it can be read, and every mistake in it. The draft is sound if there are none."""
    try:
        document: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as syntax:
        return None, (ProgramMistake("", f"is not valid TOML: {syntax}"),)
    except (ValueError, InvalidOperation):
        return None, (ProgramMistake("", "has a number with more digits than any program needs"),)
    except RecursionError:
        return None, (ProgramMistake("", "is nested more deeply than any program needs"),)
    return read_document(document)


def read_document(document: Mapping[str, Any]) -> tuple[ProgramDraft, tuple[ProgramMistake, ...]]:
    """As `read_program`, from the plain values of a TOML file."""
    reader = DraftReader()
    draft = reader.read(document)
    unreadable = [finding.path for finding in reader.findings]
    judged = [finding for finding in program_findings(draft) if not finding.rests_on(unreadable)]
    return draft, tuple(finding.mistake for finding in (*reader.findings, *judged))
