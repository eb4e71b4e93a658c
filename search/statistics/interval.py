"""Two ends between which a figure lies, at the level that all of them have here."""

from dataclasses import dataclass

LEVEL = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Of the standard normal distribution at (1 + 0.95) / 2."""


@dataclass(frozen=True)
class Interval:
    """Two ends, the lower first."""

    low: float
    high: float

    def moved(self, by: float) -> "Interval":
        """Return that of a difference elsewhere, as wide where -1 and 1 leave room."""
        return Interval(max(-1.0, self.low + by), min(1.0, self.high + by))

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high
