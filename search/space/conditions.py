"""When a parameter exists, as data: a condition on the value of another.

Whether the parent is there and can take such values is checked in `search.space.faults`.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

from search.space.values import Value, is_name, is_number


@dataclass(frozen=True)
class When:
    """A condition on a parent: its value is among some, or is at least some number."""

    parent: str
    _: KW_ONLY
    among: tuple[Value, ...] = ()
    at_least: int | None = None

    def __str__(self) -> str:
        if self.at_least is not None:
            return f"{self.parent} >= {self.at_least}"
        return f"{self.parent} is {' or '.join(str(value) for value in self.among)}"

    def holds(self, value: Value) -> bool:
        """Tell whether the condition is met by this value of the parent."""
        if self.at_least is not None:
            return isinstance(value, (int, float)) and value >= self.at_least
        return value in self.among

    def faults(self) -> list[str]:
        """Return what is wrong with the condition itself."""
        if not is_name(self.parent):
            return [f"when {self.parent!r}: the parent must be a parameter's name"]
        faults = []
        if bool(self.among) == (self.at_least is not None):
            faults.append(f"when {self.parent}: give exactly one of among and at_least")
        if not isinstance(self.among, tuple):
            return [*faults, f"when {self.parent}: among must be a tuple, got {self.among!r}"]
        bounds = self.among if self.at_least is None else (*self.among, self.at_least)
        faults += [
            f"when {self.parent}: {value!r} is no string and no finite number"
            for value in bounds
            if not (isinstance(value, str) or is_number(value))
        ]
        if isinstance(self.at_least, str):
            faults.append(f"when {self.parent}: at_least must be a number, got {self.at_least!r}")
        return faults

    def to_json(self) -> dict[str, Any]:
        """Return the condition as plain values; the order of `among` carries no meaning."""
        if self.at_least is not None:
            return {"parent": self.parent, "at_least": self.at_least}
        return {"parent": self.parent, "among": sorted(self.among, key=repr)}
