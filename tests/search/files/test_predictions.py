import numpy as np
import pytest

from search.files.predictions import FILE, read_predictions
from tests.search.predicting import LABELS, left_by, npz

GOOD = {"probs": np.full((3, 2), 0.5, np.float16), "labels": np.array([0, 1, 1]), "epoch": 4}


def test_predictions_come_back_with_the_images_that_were_misclassified() -> None:
    predictions = read_predictions(left_by({3, 50}, epoch=7)[FILE])
    assert predictions.probs.shape == (100, 4)
    assert np.array_equal(predictions.labels, LABELS)
    assert predictions.epoch == 7
    assert list(np.flatnonzero(predictions.is_wrong)) == [3, 50]


def test_rounding_to_half_precision_leaves_probabilities() -> None:
    probs = np.random.default_rng(0).dirichlet(np.full(1000, 0.01), 50).astype(np.float16)
    content = npz(probs=probs, labels=np.zeros(50, int), epoch=1)
    assert np.array_equal(read_predictions(content).probs, probs)


@pytest.mark.parametrize("n_kept", [0, 1, 40, 200, -1])
def test_a_file_cut_anywhere_is_refused(n_kept: int) -> None:
    content = npz(**GOOD)
    with pytest.raises(ValueError, match=r"no \.npz file|cut off or damaged"):
        read_predictions(content[:n_kept])


def test_a_flipped_bit_is_noticed() -> None:
    content = bytearray(left_by({1})[FILE])
    content[400] ^= 1
    with pytest.raises(ValueError, match="cut off or damaged"):
        read_predictions(bytes(content))


def test_objects_are_never_unpickled() -> None:
    with pytest.raises(ValueError, match=r"no \.npz file"):
        read_predictions(npz(**{**GOOD, "probs": np.array([[object()]])}))


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"probs": np.full(3, 0.5)}, "probs are float64 of shape"),
        ({"probs": np.ones((3, 1), int)}, "probs are int64"),
        ({"probs": np.ones((0, 2))}, "probs are float64 of shape"),
        ({"probs": np.full((3, 2), np.nan)}, "no probabilities"),
        ({"probs": np.full((3, 2), 0.6)}, "no probabilities"),
        ({"probs": np.tile([1.5, -0.5], (3, 1))}, "no probabilities"),
        ({"labels": np.array([0, 1])}, r"labels are int64 of shape \(2,\), not integers \[3\]"),
        ({"labels": np.ones(3)}, "labels are float64"),
        ({"epoch": np.array([1, 2])}, "the epoch is int64 of shape"),
    ],
)
def test_arrays_that_are_no_predictions_are_refused(
    arrays: dict[str, object], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        read_predictions(npz(**{**GOOD, **arrays}))


def test_a_missing_array_is_named() -> None:
    with pytest.raises(ValueError, match="lacks an array: labels"):
        read_predictions(npz(probs=GOOD["probs"], epoch=1))
