"""Walking the tree of parameters: which are active, how many points there are, and which.

A parameter is active where every condition holds for a parent that is active or fixed. The
functions take rows in order, parents first, and the fixed values.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from search.space.parameters import Parameter
from search.space.values import Value


def is_active(row: Parameter, known: Mapping[str, Value]) -> bool:
    """Tell whether a parameter exists, given the values of all that stand before it."""
    return all(
        condition.parent in known and condition.holds(known[condition.parent])
        for condition in row.conditions
    )


def walk(
    rows: Sequence[Parameter],
    fixed: Mapping[str, Value],
    choose: Callable[[Parameter], Value],
) -> dict[str, Value]:
    """Ask for a value of each active parameter in order, and return what was chosen."""
    chosen: dict[str, Value] = {}
    for row in rows:
        if is_active(row, {**fixed, **chosen}):
            chosen[row.name] = choose(row)
    return chosen


def active(rows: Sequence[Parameter], values: Mapping[str, Value]) -> tuple[Parameter, ...]:
    """Return the parameters that exist under these values, where a missing parent has none."""
    names = {row.name for row in rows}
    known = {name: value for name, value in values.items() if name not in names}
    existing = []
    for row in rows:
        if is_active(row, known):
            existing.append(row)
            if row.name in values:
                known[row.name] = values[row.name]
    return tuple(existing)


def points(rows: Sequence[Parameter], fixed: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """Yield every point of a finite space once, the last parameter changing fastest."""
    if not rows:
        yield {}
        return
    first, rest = rows[0], rows[1:]
    if not is_active(first, fixed):
        yield from points(rest, fixed)
        return
    for value in first.grid() or ():
        for point in points(rest, {**fixed, first.name: value}):
            yield {first.name: value, **point}


def n_points(rows: Sequence[Parameter], fixed: Mapping[str, Value]) -> int | None:
    """Count the points; None where a parameter that can be active is continuous.

    Families that share no condition multiply; inside a family only parents are enumerated.
    """
    total: int | None = 1
    for family in _families(rows):
        n_family = _n_family_points(family, fixed, _conditions_on(family))
        if n_family is None or total is None:
            total = None
        else:
            total *= n_family
    return total


def parents_first(rows: Mapping[str, Parameter]) -> tuple[Parameter, ...]:
    """Return the rows in their order, but each after the parents it needs."""
    ordered: dict[str, Parameter] = {}
    visited: set[str] = set()

    def place(name: str) -> None:
        if name in visited or name not in rows:
            return
        visited.add(name)  # before the parents: a cycle ends here, and is found as a fault later
        for condition in rows[name].conditions:
            place(condition.parent)
        ordered[name] = rows[name]

    for name in rows:
        place(name)
    return tuple(ordered.values())


def _families(rows: Sequence[Parameter]) -> list[list[Parameter]]:
    """Split rows into the smallest groups that no condition connects, each in order."""
    family = {row.name: {row.name} for row in rows}
    for row in rows:
        for condition in row.conditions:
            if condition.parent in family:
                merged = family[row.name] | family[condition.parent]
                family |= dict.fromkeys(merged, merged)
    unique = {id(names): names for names in family.values()}
    return [[row for row in rows if row.name in names] for names in unique.values()]


def _conditions_on(rows: Sequence[Parameter]) -> dict[str, list[Callable[[Value], bool]]]:
    tests: dict[str, list[Callable[[Value], bool]]] = {}
    for row in rows:
        for condition in row.conditions:
            tests.setdefault(condition.parent, []).append(condition.holds)
    return tests


def _n_family_points(
    rows: Sequence[Parameter],
    known: Mapping[str, Value],
    tests: Mapping[str, Sequence[Callable[[Value], bool]]],
) -> int | None:
    if not rows:
        return 1
    first, rest = rows[0], rows[1:]
    if not is_active(first, known):
        return _n_family_points(rest, known, tests)
    if first.name not in tests:
        n_rest = _n_family_points(rest, known, tests)
        n_first = first.n_values()
        return None if n_first is None or n_rest is None else n_first * n_rest
    values = first.grid()
    if values is None:
        return None
    # Values that meet the same conditions open the same subtree: count it once for all of them.
    alike = Counter(tuple(test(value) for test in tests[first.name]) for value in values)
    witness = {tuple(test(value) for test in tests[first.name]): value for value in values}
    total = 0
    for answers, count in alike.items():
        n_rest = _n_family_points(rest, {**known, first.name: witness[answers]}, tests)
        if n_rest is None:
            return None
        total += count * n_rest
    return total
