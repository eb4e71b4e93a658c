"""Features as classifiers take them: standardised, and discretised if wanted.

The full-network embedding of Garcia-Gasulla et al. 2018 (An out-of-the-box full-network embedding
for convolutional neural networks, ICBK; arXiv 1705.07706, section III): each feature standardised
over the training images, then 1 above one threshold, -1 below another, 0 between them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

LOW, HIGH = -0.25, 0.15
"""The paper's thresholds, in standard deviations of a feature over the training images."""

Table = npt.NDArray[np.float32]
"""A row an image, a column a feature."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """What was learnt of each feature on the training images, and what is made of it."""

    mean: Table
    deviation: Table
    """Infinite for a feature that never varied, which so becomes 0 wherever it is seen."""
    thresholds: tuple[float, float] | None
    """Below the first -1, above the second 1; None: standardised values are left as they are."""

    @classmethod
    def of(cls, train: Table, thresholds: tuple[float, float] | None) -> Self:
        """Learn the mean and deviation of each feature.

        Args:
            train: features of the training images alone.
        """
        mean = train.mean(0, dtype=np.float64)
        deviation = train.std(0, dtype=np.float64)
        # What rounding leaves of a constant is no variation: float32 has 24 bits.
        deviation[deviation <= 2.0**-20 * np.abs(mean)] = np.inf
        return cls(mean.astype(np.float32), deviation.astype(np.float32), thresholds)

    def __call__(self, features: Table) -> Table:
        """Return the embedding of features [N, F]."""
        values = features - self.mean
        values /= self.deviation
        if self.thresholds is None:
            return values
        low, high = self.thresholds
        signs: Table = (values > high).astype(np.float32) - (values < low).astype(np.float32)
        return signs
