"""Activations by name; only PReLU has weights, hence a cohort version."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

START_SLOPE = 0.25  # He et al. 2015, arXiv 1502.01852, section 2.1; torch's default too


class CohortPReLU(nn.Module):
    """A learnt slope below 0: one for each member and layer, or unit of it (He et al. 2015)."""

    def __init__(self, n_members: int, n_slopes: int = 1):
        """Make room for the slopes.

        Args:
            n_slopes: of one member: 1, or as many as the layer has channels or units.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_members, n_slopes))  # [T, 1] or [T, C]

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Start every slope at 0.25; draws nothing."""
        nn.init.constant_(self.weight, START_SLOPE)

    def forward(self, outputs: Tensor) -> Tensor:
        """Return maps [N, T*C, H, W] or vectors [T, N, F] with what is below 0 scaled."""
        if outputs.ndim == 4:
            channels = outputs.shape[1] // len(self.weight)
            slopes = self.weight.expand(-1, channels).reshape(1, -1, 1, 1)
        else:
            slopes = self.weight.unsqueeze(1)  # [T, 1, 1] or [T, 1, F]
        # In the precision of the maps: slopes of float32 would make float32 of all that follows.
        return torch.where(outputs > 0, outputs, slopes.to(outputs.dtype) * outputs)


# Slopes and shapes are torch's defaults: leaky 0.01, ELU alpha 1, exact GELU.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "relu6": nn.ReLU6,
}
NEVER_FALLING = frozenset({"relu", "leaky_relu", "elu", "relu6"})
"""GELU and SiLU dip below 0, and a learnt slope may turn negative."""


def make_activation(name: str, n_members: int, width: int) -> nn.Module:
    """Return the activation of one layer.

    Args:
        width: its channels or units, of one member.
    """
    match name:
        case "prelu":
            return CohortPReLU(n_members)
        case "prelu_per_unit":
            return CohortPReLU(n_members, width)
        case _:
            return ACTIVATIONS[name]()
