"""Writing Markdown: text that must not be read as markup, tables, and values of parameters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MARKUP = re.compile(r"([\\`*\[\]<|&~$]|^[>#]|^[+-](?= ))|(?<![^\W_])(_)|(_)(?![^\W_])")
"""What Markdown would take for markup; an underscore only where it does not join letters."""


def plain(text: object) -> str:
    """Return text on one line that Markdown shows letter by letter."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(str(text).split()))


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
