"""What a cohort averages: nothing until a member wants it, from then on the tensors of all."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

from mame_cnn.cohorts.rows import Rows
from mame_cnn.cohorts.weight_average import WeightAverage

Present = Callable[[], Sequence[Tensor]]
"""Gives the present values of all that is averaged, [T, ...] each; asked where averages are."""


class Averaging:
    """Averages for members of which some average their weights, and some do not."""

    def __init__(self, present: Present, decays: Sequence[float]):
        """Start at the present values.

        Args:
            decays: one a member, 0 for one that does not average; where others do, its average
                is its present value.
        """
        self._are_averaged = [decay > 0 for decay in decays]
        self._average = WeightAverage(present()) if any(self._are_averaged) else None

    def admit(self, present: Present, newcomers: "Averaging", theirs: Present) -> None:
        """Take in the members of another cohort, before their tensors are joined to these."""
        if self._average is not None or newcomers._average is not None:
            self._average = self._average or WeightAverage(present())
            self._average.admit(newcomers._average or WeightAverage(theirs()))
        self._are_averaged += newcomers._are_averaged

    def select(self, slots: Sequence[int]) -> None:
        """Keep only the members in these slots."""
        self._are_averaged = [self._are_averaged[slot] for slot in slots]
        if self._average is not None:
            self._average.select(slots)

    def update(self, present: Present, decay: Tensor) -> None:
        """Move the averages towards the present values, once a step; decay is [T]."""
        if self._average is not None:
            self._average.update(present(), decay)

    def in_place_of(self, present: Present) -> AbstractContextManager[None]:
        """Let the tensors hold for a while what members are evaluated with."""
        return nullcontext() if self._average is None else self._average.in_place_of(present())

    def rows_of(self, slot: int) -> Rows:
        """Return what is kept of averages, all members' tensors, if this member needs it."""
        if self._average is None or not self._are_averaged[slot]:
            return {}
        return self._average.tensors()
