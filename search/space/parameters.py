"""Parameters as data: a float range, an integer range or a choice.

Every well-formed parameter maps onto one distribution of Optuna, whose rules are followed here
(no step beside log, say), but nothing is imported for it: these are plain frozen values.
What only a whole space can tell (order, parents, duplicates) is checked in `search.space.faults`.
"""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import Any

from search.space.conditions import When
from search.space.values import Value, is_int, is_name, is_number

_ON_GRID = 1e-8  # how far from a multiple of the step a value may lie, in steps; as in Optuna


@dataclass(frozen=True)
class _Named:
    """What parameters of every kind share."""

    name: str
    _: KW_ONLY
    when: When | tuple[When, ...] = ()
    """The parameter exists where all of these hold; always, if there are none."""
    source: str = ""
    """Where the range comes from: an experiment, a paper, or the reason for it."""

    @property
    def conditions(self) -> tuple[When, ...]:
        """The conditions as a tuple, also when a single one was given."""
        return self.when if isinstance(self.when, tuple) else (self.when,)

    def _common_faults(self) -> list[str]:
        faults = []
        if not is_name(self.name):
            faults.append("the name must be an identifier such as drop_rate_2")
        for condition in self.conditions:
            if isinstance(condition, When):
                faults += condition.faults()
            else:
                faults.append(f"when must be When(...) or a tuple of them, got {condition!r}")
        return faults

    def _prefixed(self, faults: Sequence[str]) -> list[str]:
        label = self.name if is_name(self.name) else repr(self.name)
        return [f"{label}: {fault}" for fault in faults]

    def _conditions_json(self) -> list[dict[str, Any]]:
        return sorted((condition.to_json() for condition in self.conditions), key=repr)


@dataclass(frozen=True)
class Float(_Named):
    """A float between `low` and `high`, both included."""

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    """Whether equal ratios, not equal differences, are equally likely."""
    step: float | None = None
    """The distance between neighbouring values; None means every float of the range."""

    def contains(self, value: Value) -> bool:
        """Tell whether the parameter can take this value."""
        if isinstance(value, str) or not is_number(value):
            return False
        if self.step is None:
            return self.low <= value <= self.high
        steps, n_steps = ((end - self.low) / self.step for end in (value, self.high))
        return abs(steps - round(steps)) < _ON_GRID and 0 <= round(steps) <= round(n_steps)

    def n_values(self) -> int | None:
        """Count the values; None where the range is continuous and not a single point."""
        if self.step is not None:
            return math.floor((_exact(self.high) - _exact(self.low)) / _exact(self.step)) + 1
        return 1 if self.low == self.high else None

    def grid(self) -> tuple[Value, ...] | None:
        """Return every value from low to high; None where they are not finitely many."""
        n_values = self.n_values()
        return None if n_values is None else tuple(self._point(k) for k in range(n_values))

    def nearest(self, value: float) -> float:
        """Return the nearest value on the grid; the value itself where there is no step."""
        return value if self.step is None else self._point(round((value - self.low) / self.step))

    def _point(self, index: int) -> float:
        """Return a point of the grid, computed exactly so that 0.1 + 2 * 0.1 is 0.3."""
        return float(_exact(self.low) + index * _exact(self.step or 0))

    def faults(self) -> list[str]:
        """Return what is wrong with the parameter itself, each fault headed by its name."""
        faults = self._common_faults()
        wrong = [
            f"{role} must be a finite number, got {number!r}"
            for role, number in {"low": self.low, "high": self.high, "step": self.step}.items()
            if number is not None and not is_number(number)
        ]
        faults += wrong or _range_faults(self.low, self.high, self.step, self.log)
        if self.log and self.step is not None:
            faults.append(f"a log range takes no step, got step {self.step!r}")
        return self._prefixed(faults)

    def to_json(self) -> dict[str, Any]:
        """Return what decides the values as plain values: all but the source."""
        return {
            "kind": "float",
            "name": self.name,
            "low": float(self.low) + 0.0,  # -0.0 and 0 are 0.0: equal ranges, equal digests
            "high": float(self.high) + 0.0,
            "log": self.log,
            "step": None if self.step is None else float(self.step),
            "when": self._conditions_json(),
        }


@dataclass(frozen=True)
class Int(_Named):
    """An integer between `low` and `high`, both included."""

    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    """Whether equal ratios, not equal differences, are equally likely."""
    step: int = 1
    """The distance between neighbouring values."""

    def contains(self, value: Value) -> bool:
        """Tell whether the parameter can take this value."""
        return is_int(value) and value in range(self.low, self.high + 1, self.step)

    def n_values(self) -> int | None:
        """Count the values."""
        return (self.high - self.low) // self.step + 1

    def grid(self) -> tuple[Value, ...] | None:
        """Return every value from low to high."""
        return tuple(range(self.low, self.high + 1, self.step))

    def faults(self) -> list[str]:
        """Return what is wrong with the parameter itself, each fault headed by its name."""
        faults = self._common_faults()
        wrong = [
            f"{role} must be an integer, got {number!r}"
            for role, number in {"low": self.low, "high": self.high, "step": self.step}.items()
            if not is_int(number)
        ]
        faults += wrong or _range_faults(self.low, self.high, self.step, self.log)
        if self.log and self.step != 1:
            faults.append(f"a log range takes no step but 1, got step {self.step!r}")
        return self._prefixed(faults)

    def to_json(self) -> dict[str, Any]:
        """Return what decides the values as plain values: all but the source."""
        return {
            "kind": "int",
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "step": self.step,
            "when": self._conditions_json(),
        }


@dataclass(frozen=True)
class Choice(_Named):
    """One of some options, all strings, all integers or all floats, in no meaningful order."""

    options: tuple[Value, ...]

    def contains(self, value: Value) -> bool:
        """Tell whether the value is one of the options, and of their type."""
        return any(type(value) is type(option) and value == option for option in self.options)

    def n_values(self) -> int | None:
        """Count the options."""
        return len(self.options)

    def grid(self) -> tuple[Value, ...] | None:
        """Return the options."""
        return self.options

    def faults(self) -> list[str]:
        """Return what is wrong with the parameter itself, each fault headed by its name."""
        faults = self._common_faults()
        if not isinstance(self.options, tuple):
            return self._prefixed([*faults, f"options must be a tuple, got {self.options!r}"])
        if not self.options:
            faults.append("options are empty")
        wrong = [
            f"option {option!r} is no string and no finite number"
            for option in self.options
            if not (isinstance(option, str) or is_number(option))
        ]
        kinds = sorted({type(option).__name__ for option in self.options})
        if not wrong and len(kinds) > 1:
            faults.append(f"options must be of one type, got {' and '.join(kinds)}")
        doubles = {option for option in self.options if self.options.count(option) > 1}
        faults += [f"option {option!r} is given twice" for option in sorted(doubles, key=repr)]
        return self._prefixed([*faults, *wrong])

    def to_json(self) -> dict[str, Any]:
        """Return what decides the values as plain values: all but the source."""
        return {
            "kind": "choice",
            "name": self.name,
            "options": list(self.options),
            "when": self._conditions_json(),
        }


Parameter = Float | Int | Choice


def _range_faults(low: float, high: float, step: float | None, log: bool) -> list[str]:
    faults = []
    if low > high:
        faults.append(f"low {low!r} is above high {high!r}")
    if log and low <= 0:
        faults.append(f"a log range must lie above 0, got low {low!r}")
    if step is not None and step <= 0:
        faults.append(f"step must be above 0, got {step!r}")
    elif step is not None and low <= high:
        n_steps = (_exact(high) - _exact(low)) / _exact(step)
        if n_steps.denominator != 1:
            below, above = (
                type(high)(_exact(low) + count * _exact(step))
                for count in (math.floor(n_steps), math.ceil(n_steps))
            )
            faults.append(
                f"steps of {step!r} from {low!r} do not meet {high!r}; "
                f"the nearest high is {below!r} or {above!r}"
            )
    return faults


def _exact(number: float) -> Fraction:
    """Read a number as its shortest decimal says it: 0.1 is 1/10 here."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(float(number)))
