"""What the members of a cohort said of the validation images in their best epochs.

Kept on the device in half precision: nothing waits for it until a member has ended, and then its
probabilities are worth comparing with those of other trials.
"""

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mame_cnn.cohorts.progress import EpochResult

FILE = "val_probabilities.npz"
"""`probs` float16 [N, K], `labels` int64 [N] and the `epoch`, counted from 1."""


@dataclass(frozen=True, eq=False)
class Best:
    """What a member said in its best epoch so far."""

    epoch: int
    probs: Tensor
    """float16 [N, K]."""


class ValProbabilities:
    """Each member's validation probabilities after its best epoch so far."""

    def __init__(self, labels: Tensor) -> None:
        """Begin without members.

        Args:
            labels: int64 [N], of the validation images.
        """
        self._labels = labels
        self._best: dict[int, Best] = {}

    def take(self, results: Sequence[EpochResult], logits: Tensor) -> None:
        """Take the probabilities of those for whom the epoch was the best; logits [T, N, K]."""
        best = [(slot, result) for slot, result in enumerate(results) if result.is_best]
        if not best:
            return
        probs = logits.softmax(-1).to(torch.float16)
        for slot, result in best:
            # A copy: a view would keep the probabilities of all members alive.
            self._best[result.key] = Best(result.epoch, probs[slot].clone())

    def keys(self) -> list[int]:
        """Return the keys of members that had a best epoch."""
        return list(self._best)

    def drop(self, keys: Collection[int]) -> None:
        """Forget members."""
        for key in keys:
            self._best.pop(key, None)

    def best(self, key: int) -> Best | None:
        """Return a member's best epoch; None before its first."""
        return self._best.get(key)

    def go_on(self, key: int, best: Best) -> None:
        """Take in a member that had its best epoch so far elsewhere."""
        self._best[key] = Best(best.epoch, best.probs.to(self._labels.device))

    def probs(self, key: int) -> npt.NDArray[np.float16] | None:
        """Return a member's probabilities [N, K]; None before its first best."""
        best = self._best.get(key)
        return None if best is None else best.probs.cpu().numpy()

    def file(self, key: int) -> bytes | None:
        """Return a member's probabilities as a file; None before its first best."""
        best = self._best.get(key)
        if best is None:
            return None
        return as_file(best.probs.cpu().numpy(), self._labels.cpu().numpy(), best.epoch)


def as_file(probs: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], epoch: int) -> bytes:
    """Return probabilities [N, K] as the content of an `.npz`.

    Not compressed: the digits of probabilities are all but random.
    """
    content = io.BytesIO()
    np.savez(
        content,
        probs=probs.astype(np.float16, copy=False),
        labels=labels,
        epoch=np.int64(epoch),
    )
    return content.getvalue()
