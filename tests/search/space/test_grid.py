import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings

from commands.errors import UserError
from search.space import Choice, Float, Int, Space, Value, When, per_block
from tests.search.spaces import TREE, make_space, spaces


def test_drawing_asks_for_active_parameters_in_order() -> None:
    wanted: dict[str, Value] = {"depth": 2, "optimizer": "sgd", "momentum": 0.9}

    drawn = TREE.draw(lambda row: wanted.get(row.name, "max"))

    assert list(drawn.items()) == [*wanted.items(), ("pool_1", "max"), ("pool_2", "max")]


def test_active_tells_what_exists_under_given_values() -> None:
    rows = TREE.active({"depth": 2, "optimizer": "adam"})

    assert [row.name for row in rows] == ["depth", "optimizer", "pool_1", "pool_2"]


def test_a_child_of_an_inactive_parent_is_inactive() -> None:
    space = make_space(
        Choice("optimizer", ("adam", "sgd")),
        Int("nesterov", 0, 1, when=When("optimizer", among=("sgd",))),
        Int("a", 1, 2, when=When("nesterov", at_least=0)),
    )

    assert [len(point) for point in space.grid()] == [1, 3, 3, 3, 3]


def test_the_grid_has_the_last_parameter_change_fastest() -> None:
    space = make_space(Int("a", 1, 2), Choice("b", ("x", "y")))

    assert [tuple(point.values()) for point in space.grid()] == [
        *((1, "x"), (1, "y")),
        *((2, "x"), (2, "y")),
    ]


def test_a_continuous_parameter_leaves_no_finite_grid() -> None:
    space = make_space(Int("a", 1, 2), Float("lr", 0.1, 1.0))

    assert space.n_grid_points() is None
    with pytest.raises(UserError, match="no finite grid: lr is continuous"):
        space.grid()


def test_counting_does_not_enumerate_what_is_independent() -> None:
    rows = [Int(f"a_{number}", 1, 10**9) for number in range(50)]
    depth = Int("depth", 1, 20)
    blocks = per_block(Int("width", 1, 10**6), up_to=20)

    n_points = make_space(*rows, depth, *blocks).n_grid_points()

    assert n_points == 10 ** (9 * 50) * sum(10 ** (6 * depth) for depth in range(1, 21))


def brute_force(space: Space) -> set[frozenset[tuple[str, Value]]]:
    """All combinations of all values, reduced to what is active: an oracle with no tree in it."""
    found = set()
    for values in itertools.product(*(row.grid() or () for row in space.parameters)):
        point: dict[str, Value] = {}
        for row, value in zip(space.parameters, values, strict=True):
            when = row.when if isinstance(row.when, tuple) else (row.when,)
            if all(need.parent in point and need.holds(point[need.parent]) for need in when):
                point[row.name] = value
        found.add(frozenset(point.items()))
    return found


@given(spaces())
@settings(max_examples=150, deadline=None)
def test_the_grid_of_any_tree_is_complete_unique_and_counted(space: Space) -> None:
    points = [frozenset(point.items()) for point in space.grid()]

    assert set(points) == brute_force(space)
    assert len(points) == len(set(points)) == space.n_grid_points()


@given(spaces())
@settings(max_examples=50, deadline=None)
def test_every_point_of_the_grid_is_a_valid_baseline(space: Space) -> None:
    points = tuple(itertools.islice(space.grid(), 20))

    assert replace(space, baselines=points).faults() == []


@given(spaces())
@settings(max_examples=50, deadline=None)
def test_every_parameter_of_a_sound_space_is_somewhere_active(space: Space) -> None:
    reached = {name for point in space.grid() for name in point}

    assert reached == {row.name for row in space.parameters}
