"""Everything that can be wrong with a space as a whole, found at once.

A parameter is active where a set of conditions holds, each on one parent: its own and those of
its parents. Values of different parents are free of each other, so whether it can ever be
active is decided exactly, parent by parent.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from commands.nearest import did_you_mean
from search.space.conditions import When
from search.space.grid import active
from search.space.parameters import Choice, Int, Parameter
from search.space.values import Value

if TYPE_CHECKING:
    from search.space import Space


def faults(space: "Space") -> list[str]:
    """Return every fault of the space, each headed by the name it concerns."""
    return [
        *_heading_faults(space),
        *_parameter_faults(space),
        *_fixed_faults(space),
        *_family_faults(space),
        *(
            f"baseline {number}: {fault}"
            for number, baseline in enumerate(space.baselines, start=1)
            for fault in baseline_faults(space, baseline)
        ),
    ]


def impossible(rows: Sequence[Parameter], fixed: Mapping[str, Value]) -> dict[str, str]:
    """Return why, by name, for each parameter that can never be active."""
    needs: dict[str, tuple[When, ...]] = {}
    parents: dict[str, Parameter] = {}
    reasons: dict[str, str] = {}
    for row in rows:
        inherited = (need for own in row.conditions for need in needs.get(own.parent, ()))
        needs[row.name] = tuple(dict.fromkeys((*row.conditions, *inherited)))
        for parent in dict.fromkeys(need.parent for need in needs[row.name]):
            wanted = [need for need in needs[row.name] if need.parent == parent]
            if parent in fixed:
                possible = all(need.holds(fixed[parent]) for need in wanted)
                has = f"is fixed to {fixed[parent]!r}"
            elif parent in parents and not parents[parent].faults():
                possible = _can_hold(parents[parent], wanted)
                has = _range_text(parents[parent])
            else:
                continue  # unknown, later or faulty: reported as such
            if not possible:
                wish = " and ".join(str(need) for need in wanted)
                reasons[row.name] = f"can never exist: it needs {wish}, but {parent} {has}"
        parents[row.name] = row
    return reasons


def baseline_faults(space: "Space", baseline: Mapping[str, Value]) -> list[str]:
    """Return why a baseline is not a complete trial of the space: exactly its active names."""
    rows = _readable(space)
    known = {row.name: row for row in rows}
    exist = {row.name for row in active(rows, {**baseline, **space.fixed})}
    faults = []
    for name, value in baseline.items():
        if name in space.fixed:
            faults.append(f"{name} is fixed to {space.fixed[name]!r} by the space; leave it out")
        elif name not in known:
            faults.append(f"{name} is not declared{did_you_mean(name, known)}")
        elif name not in exist:
            needs = " and ".join(str(condition) for condition in known[name].conditions)
            faults.append(f"{name} does not exist here, only where {needs}; leave it out")
        elif not known[name].faults() and not known[name].contains(value):
            faults.append(f"{name} {_range_text(known[name])}, got {value!r}")
    missing = [name for name in known if name in exist and name not in baseline]
    return faults + [f"{name} is missing; it {_range_text(known[name])}" for name in missing]


def _heading_faults(space: "Space") -> list[str]:
    parts = {"title": space.title}
    for part in ("previous", "hypothesis", "setup"):
        parts[f"question.{part}"] = getattr(space.question, part, "")
    faults = [
        f"{name}: must be a text that says something, got {text!r}"
        for name, text in parts.items()
        if not (isinstance(text, str) and text.strip())
    ]
    if isinstance(space.epochs, bool) or not isinstance(space.epochs, int) or space.epochs < 1:
        faults.append(f"epochs: must be an integer of at least 1, got {space.epochs!r}")
    return faults


def _parameter_faults(space: "Space") -> list[str]:
    if not space.parameters:
        return ["parameters: the space declares nothing to search"]
    faults = []
    for position, row in enumerate(space.parameters):
        if isinstance(row, Parameter):
            faults += row.faults()
        else:
            hint = "; unpack it with *" if isinstance(row, tuple) else ""
            faults.append(
                f"parameters[{position}]: must be a Float, Int or Choice, "
                f"got a {type(row).__name__}{hint}"
            )
    names = [row.name for row in space.parameters if isinstance(row, Parameter)]
    doubles = dict.fromkeys(name for name in names if names.count(name) > 1)
    return faults + [f"{name}: is declared {names.count(name)} times" for name in doubles]


def _fixed_faults(space: "Space") -> list[str]:
    faults = []
    searched = {row.name for row in space.parameters if isinstance(row, Parameter)}
    for name, value in space.fixed.items():
        # A fixed value is a parameter with one option, and as such checks itself.
        faults += [f"{fault} (fixed)" for fault in Choice(name, (value,)).faults()]
        if name in searched:
            faults.append(f"{name}: is both fixed and searched; keep one")
    return faults


def _family_faults(space: "Space") -> list[str]:
    rows = _readable(space)
    names = [row.name for row in rows]
    faults = []
    for position, row in enumerate(rows):
        for parent in dict.fromkeys(condition.parent for condition in row.conditions):
            if parent in space.fixed or parent in names[:position]:
                continue
            if parent in names:
                faults.append(f"{row.name}: its parent {parent} must stand before it")
            else:
                hint = did_you_mean(parent, (*names, *space.fixed))
                faults.append(f"{row.name}: its parent {parent} is not declared{hint}")
    reasons = impossible(rows, space.fixed)
    return faults + [f"{name}: {reason}" for name, reason in reasons.items()]


def _readable(space: "Space") -> list[Parameter]:
    return [
        row
        for row in space.parameters
        if isinstance(row, Parameter)
        and all(isinstance(need, When) and not need.faults() for need in row.conditions)
    ]


def _can_hold(parent: Parameter, wanted: Sequence[When]) -> bool:
    # The largest value decides every at_least; an among lists all values that could do.
    largest = parent.options if isinstance(parent, Choice) else (parent.high,)
    candidates = (*largest, *(value for need in wanted for value in need.among))
    return any(
        parent.contains(value) and all(need.holds(value) for need in wanted)
        for value in candidates
    )


def _range_text(row: Parameter) -> str:
    if isinstance(row, Choice):
        return f"is one of {', '.join(repr(option) for option in row.options)}"
    step = f" in steps of {row.step!r}" if row.step not in (None, 1) else ""
    integer = " an integer" if isinstance(row, Int) else ""
    return f"is{integer} from {row.low!r} to {row.high!r}{step}"
