import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from commands.errors import UserError
from search.space import per_block
from search.space.conditions import When
from search.space.parameters import Choice, Float, Int, Parameter

NAN = float("nan")
INFINITY = float("inf")


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        (Float("2lr", 0.0, 1.0), "'2lr': the name must be an identifier"),
        (Float("class", 0.0, 1.0), "'class': the name must be an identifier"),
        (Float("", 0.0, 1.0), "'': the name must be an identifier"),
        (Float("lr", 2.0, 1.0), "lr: low 2.0 is above high 1.0"),
        (Float("lr", 0.0, 1.0, log=True), "lr: a log range must lie above 0, got low 0.0"),
        (Float("lr", 0.1, 1.0, log=True, step=0.1), "lr: a log range takes no step, got step 0.1"),
        (Float("lr", 0.0, 1.0, step=0.0), "lr: step must be above 0, got 0.0"),
        (Float("lr", 0.0, 1.0, step=-0.5), "lr: step must be above 0, got -0.5"),
        (Float("lr", 0.2, 0.55, step=0.1), "the nearest high is 0.5 or 0.6"),
        (Float("lr", NAN, 1.0), "lr: low must be a finite number, got nan"),
        (Float("lr", 0.0, INFINITY), "lr: high must be a finite number, got inf"),
        (Float("lr", 0.0, True), "lr: high must be a finite number, got True"),
        (Float("lr", 0.0, 1.0, step=NAN), "lr: step must be a finite number, got nan"),
        (Int("depth", 3, 1), "depth: low 3 is above high 1"),
        (Int("depth", 0, 4, log=True), "depth: a log range must lie above 0, got low 0"),
        (Int("depth", 1, 5, log=True, step=2), "depth: a log range takes no step but 1"),
        (Int("depth", 1, 4, step=0), "depth: step must be above 0, got 0"),
        (Int("depth", 2, 9, step=3), "the nearest high is 8 or 11"),
        (Int("depth", True, 4), "depth: low must be an integer, got True"),
        (Choice("pool", ()), "pool: options are empty"),
        (Choice("pool", ("max", "max")), "pool: option 'max' is given twice"),
        (Choice("pool", ("max", 2)), "pool: options must be of one type, got int and str"),
        (Choice("pool", (1, 2.0)), "pool: options must be of one type, got float and int"),
        (Choice("pool", (True,)), "pool: option True is no string and no finite number"),
        (Choice("pool", (0.1, NAN)), "pool: option nan is no string and no finite number"),
        (Int("n", 1, 2, when=When("", at_least=1)), "n: when '': the parent must be a"),
        (Int("n", 1, 2, when=When("depth")), "n: when depth: give exactly one of among and"),
        (
            Int("n", 1, 2, when=When("depth", among=(2,), at_least=2)),
            "n: when depth: give exactly one of among and at_least",
        ),
        (
            Int("n", 1, 2, when=When("depth", among=(True,))),
            "n: when depth: True is no string and no finite number",
        ),
    ],
)
def test_a_fault_names_the_parameter_and_the_value(parameter: Parameter, complaint: str) -> None:
    faults = parameter.faults()

    assert len(faults) == 1
    assert complaint in faults[0]


def test_all_faults_of_a_parameter_are_found_at_once() -> None:
    faults = Float("no name", 2.0, -1.0, log=True, step=-1.0, when=When("depth")).faults()

    assert len(faults) == 5
    assert all(fault.startswith("'no name': ") for fault in faults[1:])


@pytest.mark.parametrize(
    ("when", "value", "expected"),
    [
        (When("depth", at_least=2), 2, True),
        (When("depth", at_least=2), 1, False),
        (When("depth", at_least=2), "deep", False),
        (When("optimizer", among=("sgd", "adam")), "adam", True),
        (When("optimizer", among=("sgd", "adam")), "adamw", False),
    ],
)
def test_a_condition_holds_where_it_says(when: When, value: str | int, expected: bool) -> None:
    assert when.holds(value) is expected


def test_a_stepped_float_has_the_values_as_one_would_write_them() -> None:
    assert Float("drop_rate", 0.0, 0.7, step=0.1).grid() == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (Float("a", 0.1, 1.0), (0.1, 0.5, 1.0, 1), (0.0999, 1.01, NAN, "0.5", True)),
        (Float("a", 0.0, 0.3, step=0.1), (0, 0.1, 0.1 + 0.2), (0.15, 0.4, -0.1)),
        (Int("a", 2, 8, step=3), (2, 5, 8), (1, 3, 11, 5.0, "5", True)),
        (Choice("a", (0, 1)), (0, 1), (2, True, 1.0, "1")),
        (Choice("a", ("max", "average")), ("max",), ("Max", 0)),
    ],
)
def test_a_parameter_contains_its_range_and_nothing_else(
    parameter: Parameter,
    inside: tuple[str | int | float, ...],
    outside: tuple[str | int | float, ...],
) -> None:
    assert all(parameter.contains(value) for value in inside)
    assert not any(parameter.contains(value) for value in outside)


def test_only_a_float_without_a_step_is_continuous() -> None:
    assert Float("a", 0.0, 1.0).n_values() is None
    assert Float("a", 0.0, 1.0).grid() is None
    assert Float("a", 0.5, 0.5).grid() == (0.5,)
    assert Int("a", 1, 10**12).n_values() == 10**12


numbers = st.one_of(
    st.integers(-20, 20).map(lambda tenths: tenths / 10), st.floats(-1e6, 1e6), st.just(NAN)
)


@given(numbers, numbers, st.booleans(), st.one_of(st.none(), numbers))
def test_every_sound_float_is_a_distribution_of_optuna(
    low: float, high: float, log: bool, step: float | None
) -> None:
    parameter = Float("a", low, high, log=log, step=step)
    if parameter.faults():
        return

    # Optuna warns, and so fails this test, where it has to move the range's end.
    distribution = FloatDistribution(low, high, log=log, step=step)

    assert (distribution.low, distribution.high) == (low, high)


@given(st.integers(-9, 9), st.integers(-9, 9), st.booleans(), st.integers(-2, 4))
def test_an_integer_range_is_sound_exactly_where_optuna_takes_it(
    low: int, high: int, log: bool, step: int
) -> None:
    try:
        distribution = IntDistribution(low, high, log=log, step=step)
        is_taken = distribution.high == high
    except (ValueError, UserWarning):  # a warning is an error here: the end would be moved
        is_taken = False

    assert (Int("a", low, high, log=log, step=step).faults() == []) == is_taken


@given(st.lists(st.text(max_size=3), min_size=1, max_size=4))
def test_a_sound_choice_is_a_distribution_of_optuna(options: list[str]) -> None:
    parameter = Choice("a", tuple(options))

    assert bool(parameter.faults()) == (len(set(options)) < len(options))
    assert CategoricalDistribution(parameter.options).choices == parameter.options


@given(st.integers(-30, 30), st.integers(0, 12), st.sampled_from([0.1, 0.05, 0.25, 1.0, 3.0]))
def test_a_grid_has_as_many_values_as_counted_and_contains_each(
    tenths: int, n_steps: int, step: float
) -> None:
    # Hundredths as integers: the decimals that a person would write.
    high = (tenths * 10 + n_steps * round(step * 100)) / 100
    parameter = Float("a", tenths / 10, high, step=step)

    grid = parameter.grid() or ()

    assert parameter.faults() == []
    assert len(grid) == parameter.n_values() == n_steps + 1
    assert (grid[0], grid[-1]) == (tenths / 10, high)
    assert all(parameter.contains(value) for value in grid)
    assert not any(parameter.contains(float(value) + step / 2) for value in grid)


def test_per_block_gives_each_block_that_exists_a_grown_range() -> None:
    rows = per_block(Float("l2", 1e-6, 1e-3, log=True, source="VGG"), up_to=3, grow=10)

    assert rows == (
        Float("l2_1", 1e-6, 1e-3, log=True, source="VGG"),
        Float("l2_2", 1e-5, 1e-2, log=True, source="VGG", when=(When("depth", at_least=2),)),
        Float("l2_3", 1e-4, 1e-1, log=True, source="VGG", when=(When("depth", at_least=3),)),
    )


def test_per_block_keeps_the_conditions_that_a_parameter_has() -> None:
    own = When("optimizer", among=("sgd",))

    rows = per_block(Int("width", 8, 32, step=8, when=own), "n_blocks", up_to=2, grow=2)

    assert [row.when for row in rows] == [(own,), (own, When("n_blocks", at_least=2))]
    assert rows[1].grid() == tuple(range(16, 65, 8))


def test_per_block_refuses_to_grow_a_choice() -> None:
    with pytest.raises(UserError, match=r"pool: a choice has no range that could grow by 2"):
        per_block(Choice("pool", ("max",)), up_to=2, grow=2)


def test_a_parameter_is_frozen() -> None:
    parameter = Int("depth", 1, 4)

    with pytest.raises(dataclasses.FrozenInstanceError):
        parameter.high = 5  # type: ignore[misc]  # frozen
