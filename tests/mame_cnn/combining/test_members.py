import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.combining.members import LEAST, checked, checked_probs, floored_log
from tests.mame_cnn.combining.made_up import members


def test_every_fault_of_every_member_is_named_at_once() -> None:
    nan, negative, off = (np.full((4, 2), 0.5) for _ in range(3))
    nan[1, 0] = np.nan
    negative[2] = [-0.25, 1.25]
    off[3] = [0.5, 0.4]
    short = np.full((3, 2), 0.5)
    with pytest.raises(UserError) as caught:
        checked([nan, negative, off, short], [0, 1, 0, 1], ["a", "b", "c", "d"])
    message = str(caught.value)
    assert "different numbers of images: a 4, b 4, c 4, d 3" in message
    assert "a: 1 of 8 probabilities are NaN or infinite" in message
    assert "b: 1 of 8 are negative, the least -0.25" in message
    assert "c: 1 of 4 rows do not sum to 1 within 0.001, row 3 sums to 0.9" in message
    assert " d: " not in message


def test_members_of_different_classes_are_refused() -> None:
    with pytest.raises(UserError, match="different numbers of classes: member 1 2, member 2 4"):
        checked_probs([np.full((3, 2), 0.5), np.full((3, 4), 0.25)])


def test_no_members_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="at least one is needed"):
        checked_probs([])
    with pytest.raises(UserError, match=r"member 1: .* got shape \(5,\)"):
        checked_probs([np.full(5, 0.5)])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 1.0], "expected whole numbers, got float64"),
        ([0, 1, 0], r"one for each of 2 images, got shape \(3,\)"),
        ([0, 2], r"allowed are 0 to 1, got also \[2\]"),
        ([-1, 1], r"allowed are 0 to 1, got also \[-1\]"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list[float], message: str) -> None:
    with pytest.raises(UserError, match=f"labels: .*{message}"):
        checked(np.full((1, 2, 2), 0.5), labels)


def test_what_float16_made_of_probabilities_is_accepted_and_sums_to_1_again() -> None:
    probs, _ = members(np.zeros(2), 50, 29)
    kept = checked_probs(probs.astype(np.float16))
    assert kept.dtype == np.float64
    assert np.allclose(kept.sum(-1), 1, atol=1e-12)
    assert np.allclose(kept, probs, rtol=2e-3, atol=1e-7)


def test_the_logarithm_of_zero_is_that_of_the_smallest_float16() -> None:
    assert floored_log(np.array([0.0, LEAST, 1.0])).tolist() == [np.log(LEAST), np.log(LEAST), 0]
