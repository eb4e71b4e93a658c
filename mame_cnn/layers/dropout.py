"""Dropout for T members, each with its own rate and its own random numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class CohortDropout(nn.Module):
    """Zeroes outputs at random and scales the rest by 1 / (1 - rate) (Srivastava et al. 2014).

    Takes and returns maps [N, T*C, H, W] or vectors [T, N, F]. In training it draws from
    `generators`, one a member, which whoever trains must set; a member at rate 0 draws nothing.
    """

    def __init__(self, drop_rates: Sequence[float]):
        super().__init__()
        self.drop_rates = tuple(drop_rates)
        self.generators: Sequence[torch.Generator] = ()

    def select(self, slots: Sequence[int]) -> None:
        """Keep only the members in these slots."""
        self.drop_rates = tuple(self.drop_rates[slot] for slot in slots)

    def admit(self, newcomers: "CohortDropout") -> None:
        """Add the members of another layer after those there are."""
        self.drop_rates += newcomers.drop_rates

    def forward(self, outputs: Tensor) -> Tensor:
        """Return the outputs, in training with some of them dropped."""
        if not self.training or not any(self.drop_rates):
            return outputs
        self.check_generators()
        scales = torch.empty_like(outputs)  # of their layout too: both are read side by side
        members = self._members(scales)
        for scale, rate, generator in zip(members, self.drop_rates, self.generators, strict=True):
            fill_scale(scale, rate, generator)
        return outputs * scales

    def check_generators(self) -> None:
        """Raise `RuntimeError` unless every member has a generator."""
        if len(self.generators) != len(self.drop_rates):
            raise RuntimeError(
                f"dropout of {len(self.drop_rates)} members needs as many generators, "
                f"got {len(self.generators)}"
            )

    def _members(self, outputs: Tensor) -> Tensor:
        """Return a view of outputs that has the members first."""
        if outputs.ndim == 3:
            return outputs
        members: Tensor = outputs.unflatten(1, (len(self.drop_rates), -1))
        return members.transpose(0, 1)


def fill_scale(scale: Tensor, drop_rate: float, generator: torch.Generator) -> None:
    """Write 0 where an output is dropped and 1 / (1 - rate) elsewhere."""
    if not drop_rate:
        scale.fill_(1)
        return
    # Float32 whatever the network's type, so that float64 drops the same. Drawn where the
    # outputs are: a GPU drops other outputs than a CPU does.
    drawn = torch.rand(scale.shape, generator=generator, device=scale.device)
    scale.copy_(drawn.ge_(drop_rate).to(scale.dtype).div_(1 - drop_rate))
