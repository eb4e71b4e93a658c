"""A parameter's values as places along an axis, and the marks of that axis."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.report.style import shortened

_MOST_MARKS = 6
"""On an axis of a slice, which is small."""


@dataclass(frozen=True)
class Scale:
    """A parameter's values as places from 0 to 1."""

    row: Mapping[str, Any]

    @property
    def options(self) -> list[str] | None:
        """The options of a choice as text; None for a range."""
        if self.row["kind"] != "choice":
            return None
        return [str(option) for option in self.row["options"]]

    def place(self, value: Any) -> float:
        """Return where a value lies, on the parameter's own scale."""
        if (options := self.options) is not None:
            index = options.index(str(value)) if str(value) in options else 0
            return index / max(1, len(options) - 1) if len(options) > 1 else 0.5
        low, high, at = (
            math.log(number) if self.row["log"] else float(number)
            for number in (self.row["low"], self.row["high"], value)
        )
        return (at - low) / (high - low) if high > low else 0.5

    def marks(self) -> list[tuple[float, str]]:
        """Return the places that are named, with their names."""
        if (options := self.options) is not None:
            return [(self.place(option), option) for option in options]
        low, high = self.row["low"], self.row["high"]
        middle = math.sqrt(low * high) if self.row["log"] else (low + high) / 2
        if self.row["kind"] == "int":
            middle = round(middle)
        inside = [middle] if low < middle < high else []
        return [(self.place(number), f"{number:.3g}") for number in (low, *inside, high)]

    def axis(self) -> dict[str, Any]:
        """Return the marks of an axis that shows the values themselves."""
        if (options := self.options) is not None:
            texts = [shortened(option, 14) for option in options]
            return {
                "tickvals": list(range(len(options))),
                "ticktext": texts,
                "range": [-0.6, len(options) - 0.4],
            }
        low, high, span = self.row["low"], self.row["high"], self.row["high"] - self.row["low"]
        if self.row["log"]:
            powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
            step = max(1, -(-len(powers) // _MOST_MARKS))
            marks = [10.0**power for power in powers[::step]]
            marks = marks if len(marks) > 1 else [low, high]
            return {"type": "log", "tickvals": marks, "ticktext": [f"{at:.3g}" for at in marks]}
        if self.row["kind"] == "int" and span < _MOST_MARKS:
            return {"tickvals": list(range(low, high + 1)), "range": [low - 0.4, high + 0.4]}
        return {"nticks": _MOST_MARKS}
