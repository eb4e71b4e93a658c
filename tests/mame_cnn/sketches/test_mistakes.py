import numpy as np
import pytest

from mame_cnn.sketches.mistakes import N_SHOWN, misclassified, most_confident_mistakes

CLASSES = ("bronze", "clay")


def probs_of(first: list[float]) -> np.ndarray:
    """Return probabilities of two classes, given those of the first."""
    return np.array([[p, 1 - p] for p in first], dtype=np.float16)


def test_mistakes_come_with_the_most_confident_first() -> None:
    mistakes = most_confident_mistakes(probs_of([0.9, 0.6, 0.2, 0.99]), np.array([1, 1, 0, 0]))
    assert mistakes.indices.tolist() == [0, 2, 1]
    assert mistakes.said.tolist() == [0, 1, 0]
    assert mistakes.truth.tolist() == [1, 0, 1]
    assert mistakes.confidence.tolist() == pytest.approx([0.9, 0.8, 0.6], abs=1e-3)
    assert (mistakes.n_wrong, mistakes.n_images) == (3, 4)


def test_more_mistakes_than_are_shown_are_counted() -> None:
    mistakes = most_confident_mistakes(probs_of([0.9] * 40), np.ones(40, dtype=int))
    assert len(mistakes.indices) == N_SHOWN
    assert mistakes.n_wrong == 40


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 256])
def test_the_images_stand_in_their_order(channels: int, side: int) -> None:
    mistakes = most_confident_mistakes(probs_of([0.9, 0.6]), np.array([1, 1]))
    images = np.zeros((2, side, side, channels), dtype=np.uint8)
    images[0] = 200
    picture = misclassified(mistakes, images, CLASSES)
    first, second = (picture.getpixel((10 + 122 * place + 56, 36 + 56)) for place in (0, 1))
    assert first == (200, 200, 200)
    assert second == (0, 0, 0)


def test_a_trial_without_a_mistake_has_a_picture_that_says_so() -> None:
    mistakes = most_confident_mistakes(probs_of([0.9]), np.array([0]))
    picture = misclassified(mistakes, np.zeros((0, 8, 8, 3), dtype=np.uint8), CLASSES)
    assert np.asarray(picture).min() < 100
    assert picture.height < 100
