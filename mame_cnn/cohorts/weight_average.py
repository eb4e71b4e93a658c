"""Moving averages over steps of a cohort's weights (Polyak & Juditsky 1992).

Members average with their own decay, counted from their own first step, so that a result does
not depend on who else is in the cohort. Running statistics of normalisations are averaged too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class WeightAverage:
    """Averages of tensors [T, ...], a member a row.

    After step n a member's average keeps min(decay, (1 + n) / (10 + n)) of itself, so that first
    weights are soon forgotten: the warm-up of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, tensors: Sequence[Tensor]):
        """Start at the present values."""
        self._averages = [tensor.detach().clone() for tensor in tensors]
        self._n_steps = self._averages[0].new_zeros(len(tensors[0]))  # [T]

    def admit(self, newcomers: "WeightAverage") -> None:
        """Take in the members of another average, in the rows after those there are."""
        self._averages = [
            torch.cat(pair) for pair in zip(self._averages, newcomers._averages, strict=True)
        ]
        self._n_steps = torch.cat([self._n_steps, newcomers._n_steps])

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is kept from step to step, a member a row."""
        numbered = {str(number): tensor for number, tensor in enumerate(self._averages)}
        return {"n_steps": self._n_steps, **numbered}

    def select(self, slots: Sequence[int]) -> None:
        """Keep only the members in these rows."""
        self._averages = [average[list(slots)] for average in self._averages]
        self._n_steps = self._n_steps[list(slots)]

    def update(self, tensors: Sequence[Tensor], decay: Tensor) -> None:
        """Move the averages towards the present values, once a step.

        Args:
            decay: [T], 0 for a member without averaging: its average is its present value.
        """
        self._n_steps += 1
        kept = torch.minimum(decay, (1 + self._n_steps) / (10 + self._n_steps))
        for average, tensor in zip(self._averages, tensors, strict=True):
            share = (1 - kept).view(-1, *[1] * (average.ndim - 1))
            average.lerp_(tensor.detach(), share)

    @contextmanager
    def in_place_of(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Let the tensors hold the averages for a while."""
        self._exchange(tensors)
        try:
            yield
        finally:
            self._exchange(tensors)

    def _exchange(self, tensors: Sequence[Tensor]) -> None:
        for average, tensor in zip(self._averages, tensors, strict=True):
            present = tensor.data.clone()
            tensor.data.copy_(average)
            average.copy_(present)
