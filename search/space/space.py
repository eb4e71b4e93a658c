"""The space: what is searched and what is asked, as one frozen value.

A space file imports everything it needs from `search.space`. Checking is in `search.space.faults`,
counting and listing points in `search.space.grid`; nothing here knows Optuna or torch.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from commands.errors import UserError
from search.space import faults as space_faults
from search.space import grid as space_grid
from search.space.parameters import Parameter
from search.space.values import Value


@dataclass(frozen=True)
class Question:
    """The first three headings of an experiment's notebook entry; two more follow its end."""

    previous: str
    """The previous observed state: which experiments lead here, by number."""
    hypothesis: str
    """The current hypothesis."""
    setup: str
    """The experimental set-up and its details."""
    builds_on: tuple[str, ...] = ()
    """Names of the studies that lead here; the entry tells what came of them."""

    def __post_init__(self) -> None:
        # One name without its comma is a name, not as many as it has letters.
        names = (self.builds_on,) if isinstance(self.builds_on, str) else self.builds_on
        object.__setattr__(self, "builds_on", tuple(names))

    def __or__(self, other: "Question") -> "Question":
        """Ask both: headings that differ stand one after the other."""
        return Question(
            previous=_joined(self.previous, other.previous, " "),
            hypothesis=_joined(self.hypothesis, other.hypothesis, " "),
            setup=_joined(self.setup, other.setup, " "),
            builds_on=tuple(dict.fromkeys((*self.builds_on, *other.builds_on))),
        )


@dataclass(frozen=True)
class Space:
    """An ordered table of parameters, what is fixed beside them, and the question they answer."""

    title: str
    question: Question
    parameters: tuple[Parameter, ...]
    """In order: a parent stands before the parameters that exist only for some of its values."""
    fixed: Mapping[str, Value] = field(default_factory=dict, hash=False)
    baselines: tuple[Mapping[str, Value], ...] = field(default=(), hash=False)
    """Known good trials, tried first; each names exactly its active parameters."""
    epochs: int = 30
    """The most epochs that a trial trains, unless the command says otherwise."""

    def __post_init__(self) -> None:
        # Copies that cannot be written to: a frozen value whose dictionaries change is none.
        object.__setattr__(self, "parameters", tuple(self.parameters))
        object.__setattr__(self, "fixed", MappingProxyType(dict(self.fixed)))
        baselines = tuple(MappingProxyType(dict(baseline)) for baseline in self.baselines)
        object.__setattr__(self, "baselines", baselines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only mappings cannot be pickled; workers in other processes get dictionaries.
        baselines = tuple(dict(baseline) for baseline in self.baselines)
        parts = (self.title, self.question, self.parameters, dict(self.fixed), baselines)
        return (Space, (*parts, self.epochs))

    def faults(self) -> list[str]:
        """Return all that is wrong with the space, each fault headed by the name it concerns."""
        return space_faults.faults(self)

    def draw(self, choose: Callable[[Parameter], Value]) -> dict[str, Value]:
        """Ask for a value of each active parameter in order; return them without the fixed."""
        return space_grid.walk(self.parameters, self.fixed, choose)

    def active(self, params: Mapping[str, Value]) -> tuple[Parameter, ...]:
        """Return the parameters that exist where their parents have the values in `params`."""
        return space_grid.active(self.parameters, {**self.fixed, **params})

    def n_grid_points(self) -> int | None:
        """Count the points of the grid; None where a parameter is a continuous float."""
        return space_grid.n_points(self.parameters, self.fixed)

    def grid(self) -> Iterator[dict[str, Value]]:
        """Return every point once, in a fixed order: the last parameter changes fastest."""
        endless = [row.name for row in self.parameters if row.n_values() is None]
        if endless:
            verb = "is" if len(endless) == 1 else "are"
            raise UserError(
                f"{self.title}: no finite grid: {', '.join(endless)} {verb} continuous"
            )
        return space_grid.points(self.parameters, self.fixed)

    def to_json(self) -> dict[str, Any]:
        """Return what decides which trials are possible, as plain values.

        The order of the parameters is not part of it: it does not change the set of points.
        """
        rows = sorted(self.parameters, key=lambda row: row.name)
        return {
            "parameters": [row.to_json() for row in rows],
            "fixed": dict(sorted(self.fixed.items())),
        }

    @property
    def digest(self) -> str:
        """Twelve hex digits that name parameters and fixed values, stable across processes."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def __or__(self, other: "Space") -> "Space":
        """Join two spaces; as with dictionaries the right one wins where names clash.

        It also wins where one side fixes what the other searches. Parameters of the left that
        the right makes impossible, by fixing or narrowing their parents, are left out. Of the
        baselines of both those are kept that are valid for the union, no other is made up;
        the budget is the larger.
        """
        searched = {row.name: row for row in self.parameters if row.name not in other.fixed}
        searched |= {row.name: row for row in other.parameters}
        fixed = {name: value for name, value in self.fixed.items() if name not in searched}
        fixed |= other.fixed
        rows = space_grid.parents_first(searched)
        own = {row.name for row in other.parameters}
        impossible = space_faults.impossible(rows, fixed)
        was_impossible = space_faults.impossible(self.parameters, self.fixed)
        gone = impossible.keys() - was_impossible.keys() - own
        joined = Space(
            title=_joined(self.title, other.title, " | "),
            question=self.question | other.question,
            parameters=tuple(row for row in rows if row.name not in gone),
            fixed=fixed,
            epochs=max(self.epochs, other.epochs),
        )
        kept: list[Mapping[str, Value]] = []
        for baseline in (*self.baselines, *other.baselines):
            if baseline not in kept and not space_faults.baseline_faults(joined, baseline):
                kept.append(baseline)
        return Space(
            joined.title, joined.question, joined.parameters, fixed, tuple(kept), joined.epochs
        )


def _joined(left: str, right: str, between: str) -> str:
    return left if left == right else f"{left}{between}{right}"
