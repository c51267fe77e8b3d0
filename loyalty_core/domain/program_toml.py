"""Programs as TOML files: strict to read, and written so that a person would have."""

import json
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from loyalty_core.domain.money import spelled
from loyalty_core.domain.program import RewardProgram
from loyalty_core.domain.program_check import read_program
from loyalty_core.domain.program_document import document_of
from loyalty_core.domain.program_mistakes import InvalidProgram


def program_from_toml(text: str) -> RewardProgram:
    """The program that `text` describes.

    Raises:
        InvalidProgram: `text` is not TOML, has unknown keys, or breaks rules; the error lists every mistake.
    """
    draft, mistakes = read_program(text)
    if draft is None or mistakes:
        raise InvalidProgram(mistakes)
    return RewardProgram(**{field: getattr(draft, field) for field in draft.__struct_fields__})


def program_to_toml(program: RewardProgram) -> str:
    """`program` as TOML that reads back equal to it. What stands at its default is left out."""
    document = document_of(program)
    promotions = [_table("[[promotions]]", promotion) for promotion in document.pop("promotions", ())]
    tables = [_table(f"[{key}]", value) for key, value in document.items() if isinstance(value, dict)]
    plain = [f"{key} = {_written(value)}\n" for key, value in document.items() if not isinstance(value, dict)]
    return "\n".join(("".join(plain), *tables, *promotions))


def _table(header: str, fields: dict[str, Any]) -> str:
    return "".join((f"{header}\n", *(f"{key} = {_written(value)}\n" for key, value in fields.items())))


def _written(value: Any) -> str:
    match value:
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return spelled(value)
        case datetime() | time():
            return value.isoformat()
        case dict():
            return f"{{ {', '.join(f'{key} = {_written(each)}' for key, each in value.items())} }}"
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case _:
            return str(value)
