"""What trials said of the validation images, read back from the files that they left."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FILE = "val_probabilities.npz"
"""`probs` [N, K], `labels` [N] and the `epoch`, counted from 1; `mame_cnn` writes it."""
_MOST_BYTES = 256 * 2**20
"""Unpacked: in half precision 100,000 images of 1,000 classes have 191 MiB."""
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
        _check_size(content)
        with np.load(io.BytesIO(content)) as arrays:
            # NumPy hands out what is no array as the bytes that it is.
            found = [np.asanyarray(arrays[name]) for name in ("probs", "labels", "epoch")]
        probs, labels, epoch = found
    except KeyError as error:
        raise ValueError(f"it lacks an array: {error.args[0]}") from error
    except _TooLargeError as error:
        raise ValueError(str(error)) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError("it is no .npz file") from error
    except Exception as error:  # zipfile's and NumPy's are of nearly any type on a damaged file
        raise ValueError("it is cut off or damaged") from error
    if fault := _fault(probs, labels, epoch):
        raise ValueError(fault)
    return Predictions(probs, labels, int(epoch))


class _TooLargeError(Exception):
    """More would be unpacked than any predictions take."""


def _check_size(content: bytes) -> None:
    """Refuse a bomb by its directory, beyond which Python unpacks nothing."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > _MOST_BYTES:
            raise _TooLargeError(
                f"it would unpack to {n_bytes / 2**20:,.0f} MiB, at most "
                f"{_MOST_BYTES / 2**20:,.0f} are read"
            )


def _fault(
    probs: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], epoch: npt.NDArray[np.generic]
) -> str | None:
    """Say what keeps these arrays from being predictions, or return None."""
    if probs.ndim != 2 or not probs.size or not np.issubdtype(probs.dtype, np.floating):
        return f"probs are {probs.dtype} of shape {probs.shape}, not floating-point [N, K]"
    if labels.shape != probs.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        return f"labels are {labels.dtype} of shape {labels.shape}, not integers [{len(probs)}]"
    if labels.min() < 0 or labels.max() >= probs.shape[1]:
        return f"labels go from {labels.min()} to {labels.max()}, of {probs.shape[1]} classes"
    if epoch.shape != () or not np.issubdtype(epoch.dtype, np.integer):
        return f"the epoch is {epoch.dtype} of shape {epoch.shape}, not one integer"
    numbers = probs.astype(np.float64)
    if not (np.all(numbers >= 0) and np.all(abs(numbers.sum(1) - 1) <= _LARGEST_DEVIATION)):
        return "rows of probs are no probabilities: they must be at least 0 and add up to 1"
    return None
