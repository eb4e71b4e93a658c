import json
import tomllib

import numpy as np
import pytest
import tomli_w

from commands.errors import UserError
from mame_cnn.combining.combination import (
    ClassWeighted,
    Combination,
    Geometric,
    Weighted,
    from_table,
    to_table,
)
from tests.mame_cnn.combining.made_up import members

EXAMPLES: list[Combination] = [
    Weighted("greedy", (0.1 + 0.2, 0.7)),
    Geometric("geometric", (0.5, 0.5)),
    ClassWeighted("ridge", ((1.0, -0.5, 2), (0.1, 0, 1 / 3)), (0.01, 0.0, -0.2), "identity"),
    ClassWeighted("logistic", ((1.0, 0.5, 2), (0.1, 0, 1 / 3)), (1.0, 0.0, -2), "logistic"),
]


@pytest.mark.parametrize("combination", EXAMPLES, ids=lambda each: each.name)
def test_a_table_of_toml_or_json_gives_the_same_combination_back(
    combination: Combination,
) -> None:
    table = to_table(combination)
    assert from_table(tomllib.loads(tomli_w.dumps(table))) == combination
    assert from_table(json.loads(json.dumps(table))) == combination


@pytest.mark.parametrize("combination", EXAMPLES, ids=lambda each: each.name)
def test_what_is_combined_are_distributions(combination: Combination) -> None:
    probs, _ = members(np.array([3.0, 8.0]), 40, 3, noise=4)
    combined = combination.combine(probs)
    assert combined.shape == (40, 3)
    assert (combined > 0).all()
    assert np.allclose(combined.sum(1), 1, atol=1e-12)


def test_means_are_those_of_the_textbook() -> None:
    probs = np.array([[[0.9, 0.1]], [[0.5, 0.5]]])
    assert Weighted("", (0.25, 0.75)).combine(probs)[0] == pytest.approx([0.6, 0.4])
    # sqrt(0.9 * 0.5) : sqrt(0.1 * 0.5) is 3 : 1.
    assert Geometric("", (0.5, 0.5)).combine(probs)[0] == pytest.approx([0.75, 0.25])


def test_class_weights_of_1_over_m_are_the_arithmetic_and_the_geometric_mean() -> None:
    probs, _ = members(np.array([1.0, 2.0, 0.0]), 30, 4)
    third = ((1 / 3,) * 4,) * 3
    arithmetic = ClassWeighted("", third, (0.0,) * 4, "identity").combine(probs)
    logarithmic = ClassWeighted("", third, (0.0,) * 4, "logistic").combine(probs)
    assert np.allclose(arithmetic, Weighted("", (1 / 3,) * 3).combine(probs))
    assert np.allclose(logarithmic, Geometric("", (1 / 3,) * 3).combine(probs))


def test_a_member_of_weight_0_that_rules_a_class_out_changes_nothing() -> None:
    probs = np.array([[[0.8, 0.2]], [[0.0, 1.0]]])
    assert Geometric("", (1.0, 0.0)).combine(probs)[0] == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize("combination", EXAMPLES, ids=lambda each: each.name)
def test_another_number_of_members_is_refused(combination: Combination) -> None:
    with pytest.raises(UserError, match="is for 2 members, got 3"):
        combination.combine(np.full((3, 5, 3), 1 / 3))


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(UserError, match="is for 3 classes, got 4"):
        EXAMPLES[2].combine(np.full((2, 5, 4), 0.25))


def test_nan_is_not_combined() -> None:
    with pytest.raises(UserError, match="NaN"):
        EXAMPLES[0].combine(np.full((2, 5, 3), np.nan))


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"kind": "voted"}, ["kind", "voted", "weighted", "geometric", "class-weighted"]),
        ({"weights": [0.5, float("nan")]}, ["combination.weights.1: ", "nan"]),
        ({"weights": [0.5, "0.5"]}, ["combination.weights.1: ", "'0.5'"]),
        ({"weights": [1.5, -0.5]}, ["combination.weights.1: ", "-0.5"]),
        ({"weights": [0.5, 0.6]}, ["combination.weights: weights must sum to 1", "1.1"]),
        ({"weights": []}, ["combination.weights: "]),
        ({"weight": 1, "name": 7}, ["combination.weight: ", "combination.name: ", "7"]),
    ],
)
def test_a_faulty_table_is_refused_with_every_fault(
    change: dict[str, object], messages: list[str]
) -> None:
    table = to_table(Weighted("mean", (0.5, 0.5)))
    with pytest.raises(UserError) as caught:
        from_table(table | change)
    for message in messages:
        assert message in str(caught.value)


def test_class_weights_of_unequal_length_are_named_member_by_member() -> None:
    table = to_table(EXAMPLES[2]) | {"weights": [[1.0, 2.0], [1.0, 2.0, 3.0], [1.0]]}
    with pytest.raises(UserError, match=r"3 intercepts .*; member 1 has 2, member 3 has 1"):
        from_table(table)


def test_a_table_without_a_kind_or_none_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="kind"):
        from_table({"name": "mean", "weights": [1.0]})
    with pytest.raises(UserError, match="not a combination"):
        from_table("mean")  # type: ignore[arg-type]  # as a file may have it
