"""The two scores that combiners are chosen by, image by image: right or wrong, and log loss."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mame_cnn.combining.members import Labels, Probs


def is_right(probs: Probs, labels: Labels) -> npt.NDArray[np.bool_]:
    """Return [..., N] whether the likeliest class (of equals the first) is the label."""
    hits: npt.NDArray[np.bool_] = probs.argmax(-1) == labels
    return hits


def losses(probs: Probs, labels: Labels) -> Probs:
    """Return [..., N] each image's log loss; 0 counts as 2.2e-16, as in scikit-learn."""
    of_label = probs[..., np.arange(len(labels)), labels]
    nats: Probs = -np.log(np.maximum(of_label, np.finfo(np.float64).eps))
    return nats


def best_first(n_right: npt.NDArray[Any], log_loss: Probs) -> npt.NDArray[np.int64]:
    """Return indices along the last axis: most right first, ties by log loss, then as given."""
    order: npt.NDArray[np.int64] = np.lexsort((log_loss, -n_right), axis=-1)
    return order
