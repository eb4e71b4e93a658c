"""Limits on what is read from files that others may have written.

A file is refused by its size before it fills the memory, and what is in it by its depth and its
numbers before anything walks through it. Python itself has no limit on the first, and on the
others one that ends in a traceback.
"""

import re
import reprlib
from pathlib import Path

from commands.errors import UserError

DEEPEST = 32
"""Tables within tables; what is written here has 5."""
LARGEST = 2**63 - 1
"""Of integers, either sign: what TOML promises, and what files of numbers can hold."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 100
_SHOWN.maxlevel = 3


def read_text(path: Path, most_bytes: int) -> str:
    """Return a file's text in UTF-8; `UserError` if it is larger than any file of its kind."""
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise UserError(
            f"{path}: larger than {most_bytes / 2**20:,.0f} MiB, which no file of its kind is"
        )
    return content.decode("utf-8")


def check_tree(content: object) -> None:
    """Raise `ValueError` for tables nested too deeply and integers that are too large.

    Level by level, as recursion would end where the depth begins to matter.
    """
    level = [content]
    for _ in range(DEEPEST):
        for value in level:
            if isinstance(value, int) and abs(value) > LARGEST:
                raise ValueError("an integer of more than 64 bits")
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise ValueError(f"tables or lists nested more than {DEEPEST} deep")


def has_control_characters(text: str) -> bool:
    """Tell whether a text holds what moves a terminal's cursor, ends a line or ends a name."""
    return _CONTROL.search(text) is not None


def shown(value: object) -> str:
    """Return a value as a message shows it: of bounded length, whatever it is."""
    return _SHOWN.repr(value)


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
