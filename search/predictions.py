"""What trials said of the validation images, read back from the files that they left."""

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FILE = "val_probabilities.npz"
"""`probs` [N, K], `labels` [N] and the `epoch`, counted from 1; `mame_cnn` writes it."""
_LARGEST_DEVIATION = 0.01
"""Of a row's sum from 1: float16 has 11 significant bits, which is 0.0005."""


@dataclass(frozen=True)
class Predictions:
    """A trial's probabilities for the validation images after its best epoch."""

    probs: npt.NDArray[np.floating]
    """[N, K]."""
    labels: npt.NDArray[np.integer]
    """[N]."""
    epoch: int

    @property
    def is_wrong(self) -> npt.NDArray[np.bool_]:
        """Return which images were misclassified, [N]."""
        wrong: npt.NDArray[np.bool_] = self.probs.argmax(1) != self.labels
        return wrong


def read_predictions(content: bytes) -> Predictions:
    """Return the predictions in a file's content; `ValueError` says what is wrong with it."""
    try:
        with np.load(io.BytesIO(content)) as arrays:
            probs, labels, epoch = arrays["probs"], arrays["labels"], arrays["epoch"]
    except KeyError as error:
        raise ValueError(f"it lacks an array: {error.args[0]}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError("it is no .npz file") from error
    except (EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError("it is cut off or damaged") from error
    if fault := _fault(probs, labels, epoch):
        raise ValueError(fault)
    return Predictions(probs, labels, int(epoch))


def _fault(
    probs: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], epoch: npt.NDArray[np.generic]
) -> str | None:
    """Say what keeps these arrays from being predictions, or return None."""
    if probs.ndim != 2 or not probs.size or not np.issubdtype(probs.dtype, np.floating):
        return f"probs are {probs.dtype} of shape {probs.shape}, not floating-point [N, K]"
    if labels.shape != probs.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        return f"labels are {labels.dtype} of shape {labels.shape}, not integers [{len(probs)}]"
    if epoch.shape != () or not np.issubdtype(epoch.dtype, np.integer):
        return f"the epoch is {epoch.dtype} of shape {epoch.shape}, not one integer"
    numbers = probs.astype(np.float64)
    if not (np.all(numbers >= 0) and np.all(abs(numbers.sum(1) - 1) <= _LARGEST_DEVIATION)):
        return "rows of probs are no probabilities: they must be at least 0 and add up to 1"
    return None
