import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mame_cnn.combining.folds import stratified_folds


@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.integers(2, 6), st.integers(0, 99))
def test_classes_and_images_are_spread_as_evenly_as_they_can(
    labels: list[int], n_folds: int, seed: int
) -> None:
    folds = stratified_folds(np.array(labels), n_folds, np.random.default_rng(seed))
    sizes = np.bincount(folds, minlength=n_folds)
    assert len(sizes) == n_folds
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels):
        of_class = np.bincount(folds[np.array(labels) == label], minlength=n_folds)
        assert of_class.max() - of_class.min() <= 1


def test_another_seed_gives_other_folds() -> None:
    labels = np.arange(40) % 4
    one, same, other = (stratified_folds(labels, 5, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
