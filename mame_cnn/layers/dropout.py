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

    def forward(self, outputs: Tensor) -> Tensor:
        """Return the outputs, in training with some of them dropped."""
        if not self.training or not any(self.drop_rates):
            return outputs
        if len(self.generators) != len(self.drop_rates):
            raise RuntimeError(
                f"dropout of {len(self.drop_rates)} members needs as many generators, "
                f"got {len(self.generators)}"
            )
        n_members = len(self.drop_rates)
        is_map = outputs.ndim == 4
        members: Tensor = (  # [T, N, C, H, W] or [T, N, F]
            outputs.unflatten(1, (n_members, -1)).transpose(0, 1) if is_map else outputs
        )
        scales = torch.stack(
            [
                self._scale(member, rate, generator)
                for member, rate, generator in zip(
                    members, self.drop_rates, self.generators, strict=True
                )
            ]
        )
        dropped = members * scales
        return dropped.transpose(0, 1).flatten(1, 2) if is_map else dropped

    @staticmethod
    def _scale(member: Tensor, drop_rate: float, generator: torch.Generator) -> Tensor:
        """Return 0 where an output is dropped and 1 / (1 - rate) elsewhere."""
        if not drop_rate:
            return torch.ones_like(member)
        # Float32 whatever the network's type, so that float64 drops the same. Drawn where the
        # outputs are: a GPU drops other outputs than a CPU does.
        drawn = torch.rand(member.shape, generator=generator, device=member.device)
        return (drawn >= drop_rate).to(member.dtype).div_(1 - drop_rate)
