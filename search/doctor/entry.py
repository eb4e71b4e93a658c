"""A journal taken apart: whole records, and fragments that are none, in their order."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.storages.journal_line import LONGEST, read_line

START = b'{"op_code":'
"""How Optuna begins a record; inside a text of another record its quotes would be escaped."""
_WHITESPACE = b" \t\r\n"


@dataclass(frozen=True)
class Entry:
    """A record, or what is left of one."""

    line: int
    """From 1."""
    content: bytes
    """Without the line's end."""
    record: Mapping[str, Any] | None
    """None for a fragment."""


@dataclass(frozen=True)
class Line:
    """A line of a journal, and what it holds."""

    number: int
    """From 1."""
    size: int
    """In bytes, without its end."""
    entries: tuple[Entry, ...]
    fault: str | None = None
    """What is wrong with it."""
    is_unfinished: bool = False
    """Whether it has no end, as only the last line may."""


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a journal, damaged ones taken apart."""
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(LONGEST + 1), b"")
        for number, line in enumerate(lines, start=1):
            yield _line(number, line)


def pieces(content: bytes) -> Iterator[tuple[bytes, Mapping[str, Any] | None]]:
    """Yield the whole records of a damaged line, and with None what is between them."""
    text = content.decode("latin-1")  # one character a byte
    decoder = json.JSONDecoder()
    end = 0
    for start in (found.start() for found in re.finditer(re.escape(START), content)):
        if start < end:
            continue  # in a record that is whole
        try:
            after = decoder.raw_decode(text, start)[1]
            record = read_line(content[start:after])
        except (ValueError, RecursionError):
            continue
        if content[end:start].strip(_WHITESPACE):
            yield content[end:start], None
        yield content[start:after], record
        end = after
    if content[end:].strip(_WHITESPACE):
        yield content[end:], None


def _line(number: int, line: bytes) -> Line:
    content = line.removesuffix(b"\n")
    is_unfinished = not line.endswith(b"\n")
    fault = "has no end, as when a process ends while it writes" if is_unfinished else None
    entries: tuple[Entry, ...]
    try:
        entries = (Entry(number, content, read_line(content)),)
    except ValueError as error:
        entries = tuple(Entry(number, *piece) for piece in pieces(content))
        several = sum(entry.record is not None for entry in entries) > 1
        fault = fault or ("holds several records" if several else str(error))
    return Line(number, len(content), entries, fault, is_unfinished)
