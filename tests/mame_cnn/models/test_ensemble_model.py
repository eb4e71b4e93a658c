from typing import Any

import numpy as np
import pytest

from mame_cnn.combining.combination import Geometric, Weighted
from mame_cnn.models.ensemble import mismatches
from tests.mame_cnn.small_models import CLASSES, CPU, make_ensemble, make_images, make_model

IMAGES = make_images()


def test_an_ensemble_weighs_what_its_members_say() -> None:
    ensemble = make_ensemble(Weighted("greedy", (0.25, 0.75)))
    first, second = (member.model.probs(IMAGES, CPU) for member in ensemble.members)
    np.testing.assert_allclose(
        ensemble.probs(IMAGES, CPU), 0.25 * first + 0.75 * second, atol=1e-6
    )
    np.testing.assert_array_equal(ensemble.member_probs(IMAGES, CPU), [first, second])


def test_a_temperature_above_1_makes_an_ensemble_less_sure() -> None:
    plain, tempered = make_ensemble(), make_ensemble(temperature=2.0)
    root = np.sqrt(plain.probs(IMAGES, CPU))
    np.testing.assert_allclose(
        tempered.probs(IMAGES, CPU), root / root.sum(1, keepdims=True), atol=1e-6
    )


def test_every_member_looks_at_the_views() -> None:
    ensemble = make_ensemble(Geometric("geometric", (0.5, 0.5)), views="flips")
    for member, probs in zip(ensemble.members, ensemble.member_probs(IMAGES, CPU), strict=True):
        np.testing.assert_array_equal(probs, member.model.probs(IMAGES, CPU, views="flips"))


def test_specialists_are_one_more_member() -> None:
    ensemble = make_ensemble(with_specialists=True)
    assert ensemble.specialists is not None
    general, expert = (each.model.probs(IMAGES, CPU) for each in ensemble.specialists.networks)
    expected = np.empty((len(IMAGES), 4))
    expected[:, [1, 3]] = general[:, [1, 2]]
    expected[:, [0, 2]] = general[:, :1] * expert
    found = ensemble.member_probs(IMAGES, CPU)
    np.testing.assert_allclose(found[2], expected, atol=1e-12)
    assert ensemble.member_names == ("member-1", "member-2", "specialists")


def test_members_that_belong_together_have_no_mismatches() -> None:
    ensemble = make_ensemble(with_specialists=True)
    assert mismatches(ensemble.members, ensemble.specialists) == []
    assert mismatches([]) == ["no members"]


def with_first_member(**changes: Any) -> list[str]:
    first, second = make_ensemble().members
    model = make_model(**changes)
    return mismatches([type(first)("other", "other", model), second])


def test_members_of_other_classes_and_sizes_are_told_at_once() -> None:
    faults = with_first_member(classes=("oil", *CLASSES[1:]), image_size=16)
    assert faults == [
        "member-2: has the classes bronze, clay, silk, wood, but other: oil, clay, silk, wood",
        "member-2: takes images of size 8, but other: 16",
    ]


def test_two_members_of_one_name_are_told() -> None:
    first, second = make_ensemble().members
    assert mismatches([first, first, second]) == ["2 members are called member-1"]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (((0, 2), (1,)), "each of 4 classes in one group"),
        (((0, 1), (2,), (3,)), "has the classes bronze, silk, its group bronze, clay"),
        (((0, 2), (1, 3)), "tells 3 groups apart, there are 2"),
    ],
)
def test_specialists_for_other_groups_are_told(
    groups: tuple[tuple[int, ...], ...], expected: str
) -> None:
    ensemble = make_ensemble(with_specialists=True)
    assert ensemble.specialists is not None
    experts = (*ensemble.specialists.experts, None, None)[: len(groups)]
    misfitting = type(ensemble.specialists)(groups, ensemble.specialists.general, experts)
    assert any(expected in fault for fault in mismatches(ensemble.members, misfitting))
