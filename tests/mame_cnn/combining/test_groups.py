import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering

from commands.errors import UserError
from mame_cnn.combining.groups import combine_specialists, confused_groups
from tests.mame_cnn.combining.made_up import members

PAIRS = np.array(
    [
        [60, 1, 30, 0, 0],
        [0, 70, 0, 25, 1],
        [20, 0, 90, 0, 0],
        [1, 35, 0, 50, 0],
        [0, 1, 0, 0, 80],
    ]
)


def test_classes_taken_for_one_another_are_grouped() -> None:
    assert confused_groups(PAIRS) == ((0, 2), (1, 3), (4,))
    assert confused_groups(PAIRS, 3) == ((0, 2), (1, 3), (4,))
    assert confused_groups(PAIRS, 5) == ((0,), (1,), (2,), (3,), (4,))


def test_a_class_of_many_images_weighs_no_more_than_one_of_few() -> None:
    # Half of the few images of class 2 are taken for class 1; 20 of a thousand of 0 are.
    confusions = np.array([[980, 20, 0], [0, 100, 0], [0, 5, 5]])
    assert confused_groups(confusions, 2) == ((0,), (1, 2))


def test_equal_numbers_of_groups_come_from_scikit_learn() -> None:
    confusions = np.random.default_rng(0).integers(1, 60, (9, 9)) + 80 * np.eye(9, dtype=int)
    rates = confusions / confusions.sum(1, keepdims=True)
    distances = 1 - (rates + rates.T) / 2
    np.fill_diagonal(distances, 0)
    for n_groups in range(2, 10):
        model = AgglomerativeClustering(n_groups, metric="precomputed", linkage="average")
        found = model.fit_predict(distances)
        expected = {tuple(np.flatnonzero(found == g).tolist()) for g in range(n_groups)}
        assert set(confused_groups(confusions, n_groups)) == expected


@given(
    st.integers(2, 8).flatmap(
        lambda k: st.lists(
            st.lists(st.integers(0, 40), min_size=k, max_size=k), min_size=k, max_size=k
        )
    )
)
def test_each_class_is_in_one_group_and_there_are_at_least_two_groups(
    counts: list[list[int]],
) -> None:
    confusions = np.array(counts)
    n_classes = len(confusions)
    groups = confused_groups(confusions)
    assert sorted(k for group in groups for k in group) == list(range(n_classes))
    assert len(groups) >= 2
    for n_groups in range(2, n_classes + 1):
        assert len(confused_groups(confusions, n_groups)) == n_groups


@pytest.mark.parametrize("confusions", [np.eye(4) * 9, np.full((4, 4), 3), np.zeros((4, 4))])
def test_where_no_pair_is_confused_more_than_others_each_class_is_alone(
    confusions: np.ndarray,
) -> None:
    assert confused_groups(confusions) == ((0,), (1,), (2,), (3,))


def test_specialists_share_out_their_group_s_probability() -> None:
    probs = combine_specialists(
        np.array([[0.7, 0.3]]), [np.array([[0.9, 0.1]]), None], ((0, 2), (1,))
    )
    assert probs[0] == pytest.approx([0.63, 0.3, 0.07])


def test_specialists_cut_from_a_distribution_give_it_back() -> None:
    (whole,), _ = members(np.array([1.0]), 30, 5)
    groups = ((0, 3), (1,), (2, 4))
    general = np.stack([whole[:, list(group)].sum(1) for group in groups], axis=1)
    specialists = [
        whole[:, list(group)] / general[:, [g]] if len(group) > 1 else None
        for g, group in enumerate(groups)
    ]
    assert np.allclose(combine_specialists(general, specialists, groups), whole)


def test_confusions_and_numbers_of_groups_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match=r"K x K .* got shape \(2, 3\)"):
        confused_groups(np.zeros((2, 3), dtype=int))
    with pytest.raises(UserError, match=r"negative(.|\n)*allowed are 2 to 5, got 6"):
        confused_groups(-PAIRS, 6)


def test_every_fault_of_specialists_is_named_at_once() -> None:
    with pytest.raises(UserError) as caught:
        combine_specialists(
            np.full((4, 3), 1 / 3), [None, np.full((4, 3), 1 / 3)], ((0, 1), (3, 4))
        )
    for fault in (
        "each class must be in one group",
        "general: expected images x 2",
        "specialist 0: missing",
        "specialist 1: expected (4, 2), got shape (4, 3)",
    ):
        assert fault in str(caught.value)
    with pytest.raises(UserError, match=r"specialist 1: .* NaN"):
        combine_specialists(np.full((2, 2), 0.5), [None, np.full((2, 2), np.nan)], ((0,), (1, 2)))
