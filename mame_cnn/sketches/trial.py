"""The pictures that one trial leaves, for Optuna's dashboard to show beside it."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.data.dataset import Pixels
from mame_cnn.sketches.canvas import png
from mame_cnn.sketches.confusion import MOST_CLASSES, confusion_matrix
from mame_cnn.sketches.curves import learning_curves
from mame_cnn.sketches.mistakes import misclassified, most_confident_mistakes

CURVES, CONFUSION, MISTAKES = "learning_curves.png", "confusion_matrix.png", "misclassified.png"


def trial_pictures(
    results: Sequence[EpochResult],
    probs: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    classes: Sequence[str],
    images_at: Callable[[npt.NDArray[np.intp]], Pixels],
) -> dict[str, bytes]:
    """Return a trial's pictures by file name; no confusion matrix of very many classes.

    Args:
        results: of its epochs, in order.
        probs: what it said of the validation images in its best epoch, [N, K].
        labels: of these images, [N].
        images_at: returns those at the given indices, uint8 [n, H, W, C].
    """
    mistakes = most_confident_mistakes(probs, labels)
    shown = images_at(mistakes.indices)
    pictures = {
        CURVES: png(learning_curves(results)),
        MISTAKES: png(misclassified(mistakes, shown, classes), is_photo=True),
    }
    if len(classes) <= MOST_CLASSES:
        pictures[CONFUSION] = png(confusion_matrix(probs.argmax(1), labels, classes))
    return pictures
