import itertools
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from commands.errors import UserError
from search.space import Choice, Float, Int, Parameter, Question, Space, Value, When, per_block

QUESTION = Question("6 overfits", "dropout helps", "as 6")


def make_space(*parameters: Parameter, **others: Any) -> Space:
    return Space("Test", QUESTION, parameters, **others)


MOMENTUM = Float("momentum", 0.5, 0.9, step=0.1, when=When("optimizer", among=("sgd",)))
TREE = make_space(
    Int("depth", 1, 3),
    Choice("optimizer", ("adam", "sgd")),
    MOMENTUM,
    *per_block(Choice("pool", ("max", "average")), up_to=3),
    fixed={"width": 16},
)


@pytest.mark.parametrize(
    ("space", "fault"),
    [
        (make_space(), "parameters: the space declares nothing to search"),
        (make_space(Int("a", 1, 2), Int("a", 1, 3)), "a: is declared 2 times"),
        (make_space(Int("a", 1, 2), fixed={"a": 1}), "a: is both fixed and searched; keep one"),
        (make_space(Int("a", 1, 2), epochs=0), "epochs: must be an integer of at least 1, got 0"),
        (make_space(Int("a", 1, 2), fixed={"b": True}), "b: option True is no string and no"),
        (make_space(Int("a", 1, 2), fixed={"b c": 1}), "'b c': the name must be an identifier"),
        (
            make_space(Int("depth", 1, 2), Int("a", 1, 2, when=When("dept", at_least=2))),
            "a: its parent dept is not declared; did you mean depth?",
        ),
        (
            make_space(Int("a", 1, 2, when=When("depth", at_least=2)), Int("depth", 1, 2)),
            "a: its parent depth must stand before it",
        ),
        (
            make_space(Int("a", 1, 2, when=When("a", at_least=2))),
            "a: its parent a must stand before it",
        ),
        (
            make_space(Int("depth", 1, 2), Int("a", 1, 2, when=When("depth", at_least=3))),
            "a: can never exist: it needs depth >= 3, but depth is an integer from 1 to 2",
        ),
        (
            make_space(
                Choice("pool", ("max",)), Int("a", 1, 2, when=When("pool", among=("min",)))
            ),
            "a: can never exist: it needs pool is min, but pool is one of 'max'",
        ),
        (
            make_space(Int("a", 1, 2, when=When("depth", at_least=3)), fixed={"depth": 2}),
            "a: can never exist: it needs depth >= 3, but depth is fixed to 2",
        ),
    ],
)
def test_a_fault_of_the_whole_space_is_found(space: Space, fault: str) -> None:
    faults = space.faults()

    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_a_condition_that_contradicts_a_parents_own_condition_is_found() -> None:
    space = make_space(
        Choice("optimizer", ("adam", "sgd")),
        MOMENTUM,
        Int(
            "a",
            1,
            2,
            when=(When("momentum", at_least=0), When("optimizer", among=("adam",))),
        ),
    )

    assert space.faults() == [
        "a: can never exist: it needs optimizer is adam and optimizer is sgd, "
        "but optimizer is one of 'adam', 'sgd'"
    ]


def test_faults_of_every_kind_are_listed_together() -> None:
    space = Space(
        " ",
        Question("", "", ""),
        (
            Int("depth", 4, 1),
            Choice("pool", ()),
            Int("a", 1, 2, when=When("nothing", at_least=1)),
        ),
        fixed={"pool": 1},
        baselines=({"dept": 3},),
        epochs=-1,
    )

    heads = [fault.split(":")[0] for fault in space.faults()]

    assert heads == [
        *("title", "question.previous", "question.hypothesis", "question.setup", "epochs"),
        *("depth", "pool", "pool", "a"),
        *["baseline 1"] * 3,
    ]


def test_a_tuple_among_the_parameters_is_told_to_be_unpacked() -> None:
    rows = per_block(Int("width", 8, 16), up_to=2)
    space = Space("Test", QUESTION, (Int("depth", 1, 2), rows))  # type: ignore[arg-type]

    assert space.faults() == [
        "parameters[1]: must be a Float, Int or Choice, got a tuple; unpack it with *"
    ]


def test_values_of_impossible_types_are_faults_and_no_crash() -> None:
    children = (Int("a", 1, 2, when=When("depth", at_least=1)),)
    wrong: Any = [1]
    space = make_space(*children, fixed={"depth": wrong}, baselines=({"a": wrong},))

    heads = {fault.split(":")[0] for fault in space.faults()}

    assert heads == {"depth", "a", "baseline 1"}


def test_a_condition_on_a_fixed_name_is_decided_at_declaration() -> None:
    space = make_space(Int("a", 1, 2, when=When("depth", at_least=2)), fixed={"depth": 2})

    assert space.faults() == []
    assert list(space.grid()) == [{"a": 1}, {"a": 2}]


COMPLETE: dict[str, Value] = {"depth": 1, "optimizer": "adam", "pool_1": "max"}


@pytest.mark.parametrize(
    ("baseline", "fault"),
    [
        ({**COMPLETE, "poll_1": "max"}, "poll_1 is not declared; did you mean pool_1?"),
        ({**COMPLETE, "pool_2": "max"}, "pool_2 does not exist here, only where depth >= 2"),
        ({**COMPLETE, "depth": 0}, "depth is an integer from 1 to 3, got 0"),
        ({**COMPLETE, "pool_1": "min"}, "pool_1 is one of 'max', 'average', got 'min'"),
        ({**COMPLETE, "depth": True}, "depth is an integer from 1 to 3, got True"),
        ({**COMPLETE, "width": 8}, "width is fixed to 16 by the space; leave it out"),
        ({**COMPLETE, "optimizer": "sgd"}, "momentum is missing; it is from 0.5 to 0.9"),
    ],
)
def test_a_baseline_must_give_exactly_the_active_parameters(
    baseline: Mapping[str, Value], fault: str
) -> None:
    faults = replace(TREE, baselines=(COMPLETE, baseline)).faults()

    assert len(faults) == 1
    assert faults[0].startswith(f"baseline 2: {fault}")


def test_names_asks_for_active_parameters_in_order() -> None:
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


@st.composite
def parameters(draw: st.DrawFn, name: str, earlier: list[Parameter]) -> Parameter:
    conditions = []
    for parent in draw(st.lists(st.sampled_from(earlier), max_size=2)) if earlier else []:
        values = parent.grid() or ()
        if isinstance(parent, Int) and draw(st.booleans()):
            conditions.append(When(parent.name, at_least=draw(st.integers(0, parent.high))))
        else:
            among = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
            conditions.append(When(parent.name, among=tuple(among)))
    when = tuple(conditions)
    kind = draw(st.sampled_from(["int", "choice", "float"]))
    if kind == "int":
        low = draw(st.integers(0, 3))
        return Int(name, low, low + draw(st.integers(0, 2)), when=when)
    if kind == "choice":
        return Choice(name, ("x", "y", "z")[: draw(st.integers(1, 3))], when=when)
    return Float(name, 0.1, 0.1 * draw(st.integers(1, 3)), step=0.1, when=when)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    rows: list[Parameter] = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        row = draw(parameters(name, rows))
        # 0.1 * 3 is 0.30000000000000004, which steps of 0.1 do not meet.
        rows.append(replace(row, high=round(row.high, 1)) if isinstance(row, Float) else row)
    space = make_space(*rows)
    assume(not space.faults())
    return space


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


CHANGES = {
    "low": make_space(Int("depth", 2, 3), *TREE.parameters[1:], fixed=TREE.fixed),
    "name": make_space(*TREE.parameters[:-1], Choice("pool", ("max",)), fixed=TREE.fixed),
    "options": make_space(
        TREE.parameters[0],
        Choice("optimizer", ("sgd", "adam")),
        *TREE.parameters[2:],
        fixed=TREE.fixed,
    ),
    "condition": make_space(
        *TREE.parameters[:2], replace(MOMENTUM, when=()), *TREE.parameters[3:], fixed=TREE.fixed
    ),
    "step": make_space(
        *TREE.parameters[:2], replace(MOMENTUM, step=0.2), *TREE.parameters[3:], fixed=TREE.fixed
    ),
    "fewer": replace(TREE, parameters=TREE.parameters[:-1]),
    "fixed value": replace(TREE, fixed={"width": 32}),
    "fixed type": replace(TREE, fixed={"width": 16.0}),
    "fixed name": replace(TREE, fixed={"width_1": 16}),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_the_digest_changes_with_whatever_changes_the_trials(changed: Space) -> None:
    assert changed.digest != TREE.digest


@pytest.mark.parametrize(
    "same",
    [
        replace(TREE, title="Other", question=Question("a", "b", "c"), epochs=99),
        replace(TREE, baselines=(COMPLETE,)),
        replace(TREE, parameters=TREE.parameters[::-1]),
        replace(TREE, parameters=(replace(TREE.parameters[0], source="16"), *TREE.parameters[1:])),
    ],
    ids=["words", "baselines", "order of parameters", "source"],
)
def test_the_digest_is_blind_to_whatever_leaves_the_trials_as_they_are(same: Space) -> None:
    assert same.digest == TREE.digest


def test_a_whole_number_as_the_end_of_a_float_range_is_the_same_range() -> None:
    assert make_space(Float("a", 0, 1)).digest == make_space(Float("a", -0.0, 1.0)).digest


def test_the_digest_is_the_same_in_another_process() -> None:
    program = "from tests.search.test_space import TREE; print(TREE.digest)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == TREE.digest
    assert len(TREE.digest) == 12


def test_a_space_cannot_be_written_to_and_can_be_pickled() -> None:
    given_values: dict[str, Value] = {"width": 16}
    space = make_space(Int("depth", 1, 2), fixed=given_values, baselines=({"depth": 1},))

    given_values["width"] = 32
    with pytest.raises(TypeError):
        space.fixed["width"] = 32  # type: ignore[index]

    assert space.fixed == {"width": 16}
    assert pickle.loads(pickle.dumps(space)) == space
    assert hash(space) == hash(pickle.loads(pickle.dumps(space)))


def test_the_right_side_of_a_union_wins() -> None:
    left = make_space(Int("depth", 1, 3), Int("a", 1, 2), fixed={"width": 8, "lr": 0.1})
    right = make_space(Int("depth", 2, 5), Int("lr", 1, 2), fixed={"a": 2, "b": 1})

    union = left | right

    assert union.parameters == (Int("depth", 2, 5), Int("lr", 1, 2))
    assert union.fixed == {"width": 8, "a": 2, "b": 1}
    assert union.faults() == []


def test_a_union_asks_both_questions_and_takes_the_larger_budget() -> None:
    left = Space("A", Question("1", "2", "3"), (Int("a", 1, 2),), epochs=10)
    right = Space("B", Question("1", "4", "5"), (Int("b", 1, 2),), epochs=5)

    union = left | right

    assert (union.title, union.epochs) == ("A | B", 10)
    assert union.question == Question("1", "2 4", "3 5")


def test_a_union_puts_parents_before_their_children() -> None:
    left = make_space(Int("lr", 1, 2), Choice("optimizer", ("adam",)))
    right = make_space(
        Choice("optimizer", ("adam", "sgd")),
        Int("lr", 1, 2, when=When("optimizer", among=("sgd",))),
    )

    union = left | right

    assert [row.name for row in union.parameters] == ["optimizer", "lr"]
    assert union.faults() == []


def test_a_union_leaves_out_what_the_right_side_makes_impossible() -> None:
    slice_ = make_space(Int("a", 1, 2), fixed={"depth": 2, "optimizer": "adam"})

    union = TREE | slice_

    assert [row.name for row in union.parameters] == ["pool_1", "pool_2", "a"]
    assert union.faults() == []


def test_a_fault_that_the_right_side_brings_itself_stays_a_fault_of_the_union() -> None:
    right = make_space(Int("a", 1, 2, when=When("depth", at_least=9)))

    assert (TREE | right).faults() == [
        "a: can never exist: it needs depth >= 9, but depth is an integer from 1 to 3"
    ]


def test_a_union_keeps_the_baselines_that_are_valid_for_it() -> None:
    left = make_space(Int("a", 1, 3), baselines=({"a": 1}, {"a": 3}))
    narrower = make_space(Int("a", 1, 2), baselines=({"a": 2}, {"a": 1}))
    wider = make_space(Int("b", 1, 2), baselines=({"b": 1},))

    assert (left | narrower).baselines == ({"a": 1}, {"a": 2})
    assert (left | wider).baselines == ()


@given(spaces())
@settings(max_examples=30, deadline=None)
def test_a_union_with_itself_is_the_same_space(space: Space) -> None:
    assert space | space == space
