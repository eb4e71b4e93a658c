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
        """Return the interval elsewhere, as wide."""
        return Interval(self.low + by, self.high + by)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high
