"""Writing Markdown: text that must not be read as markup, tables, and values of parameters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MARKUP = re.compile(r"([\\`*\[\]<|&~$]|^[>#]|^[+-](?= ))|(?<![^\W_])(_)|(_)(?![^\W_])")
"""What Markdown would take for markup; an underscore only where it does not join letters."""
_TAG = re.compile(r"(?<!\\)(\\*)<(?=[A-Za-z/!?])(?!https?://[^\s<>\"'`\\]*>)")
"""The beginning of a tag, with the backslashes before it; a link in angle brackets is none."""


def plain(text: object) -> str:
    """Return text on one line that Markdown shows letter by letter."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(str(text).split()))


def prose(text: str) -> str:
    """Return a person's Markdown in which no HTML is left: tags are shown as they were written.

    What reads a note may take HTML for what it is, as Optuna's dashboard does. In code a backslash
    shows: what is code is for each reader of Markdown to say, and so nothing to rely on.
    """
    return _TAG.sub(_shown_tag, text)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], right: int = 0) -> str:
    """Return a table; cells are escaped.

    Args:
        right: how many columns, the last ones, hold numbers.
    """
    n_left = len(header) - right
    lines = [
        f"| {' | '.join(header)} |",
        f"|{'---|' * n_left}{'---:|' * right}",
        *(f"| {' | '.join(map(plain, row))} |" for row in rows),
    ]
    return "\n".join(lines)


def bullets(lines: Iterable[str]) -> str:
    """Return lines of Markdown as a list."""
    return "\n".join(f"- {line}" for line in lines)


def value(number: object) -> str:
    """Return a value of a parameter."""
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def pairs(values: Mapping[str, Any]) -> str:
    """Return names with their values on one line, escaped."""
    return ", ".join(f"{plain(name)} {plain(value(given))}" for name, given in values.items())


def percent(share: float) -> str:
    """Return a share in percent with one decimal."""
    return f"{100 * share:.1f} %"


def _shown_tag(found: re.Match[str]) -> str:
    is_escaped = len(found[1]) % 2 == 1
    return found[0] if is_escaped else f"{found[1]}\\<"
