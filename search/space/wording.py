"""A parameter in words, from its plain form: `1e-05..0.01 log`, `{16, 32}`, `depth >= 2`.

The plain form is what `to_json` gives, so that rows of an old study read like those of today.
"""

from collections.abc import Mapping
from typing import Any


def value(one: object) -> str:
    """Write one value; of a float three digits."""
    return f"{one:.3g}" if isinstance(one, float) else str(one)


def values(row: Mapping[str, Any]) -> str:
    """Write what a parameter may be."""
    if row["kind"] == "choice":
        return f"{{{', '.join(map(str, row['options']))}}}"
    scale = " log" if row["log"] else ""
    step = f" step {row['step']:g}" if row["step"] not in (None, 1) else ""
    return f"{row['low']:g}..{row['high']:g}{scale}{step}"


def existence(row: Mapping[str, Any]) -> str:
    """Write where a parameter exists."""
    conditions = [
        f"{condition['parent']} >= {condition['at_least']}"
        if "at_least" in condition
        else f"{condition['parent']} is {' or '.join(map(str, condition['among']))}"
        for condition in row["when"]
    ]
    return " and ".join(conditions) or "always"
