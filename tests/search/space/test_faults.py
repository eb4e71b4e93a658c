from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from search.space import Choice, Int, Question, Space, Value, When, per_block
from tests.search.spaces import COMPLETE, MOMENTUM, QUESTION, TREE, make_space


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
    space = Space("Test", QUESTION, (Int("depth", 1, 2), rows))  # type: ignore[arg-type]  # a slip

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
