"""Batch normalisation for T members: channels are independent, so one plain call serves all."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5  # torch.nn.BatchNorm2d's default, as is the momentum
MOMENTUM = 0.1


class CohortBatchNorm2d(nn.Module):
    """Normalises each channel of [N, T*C, H, W] over the batch (Ioffe & Szegedy 2015)."""

    running_mean: Tensor  # [T, C]
    running_var: Tensor  # [T, C]

    def __init__(self, n_members: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_members, channels))  # [T, C]
        self.bias = nn.Parameter(torch.empty(n_members, channels))  # [T, C]
        self.register_buffer("running_mean", torch.empty(n_members, channels))
        self.register_buffer("running_var", torch.empty(n_members, channels))

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Start as the identity on standardised inputs; draws nothing."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)
        self.running_mean.zero_()
        self.running_var.fill_(1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the normalised maps; in training, move the running statistics."""
        return F.batch_norm(
            maps,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.flatten(),
            self.bias.flatten(),
            training=self.training,
            momentum=MOMENTUM,
            eps=EPSILON,
        )


class CohortBatchNorm1d(nn.Module):
    """Normalises each unit of vectors [T, N, F] over the batch, as a channel of one pixel."""

    def __init__(self, n_members: int, units: int):
        super().__init__()
        self.units = CohortBatchNorm2d(n_members, units)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the normalised vectors; in training, move the running statistics."""
        n_members, n_images, _ = vectors.shape
        pixels = vectors.transpose(0, 1).reshape(n_images, -1, 1, 1)  # [N, T*F, 1, 1]
        normalised: Tensor = self.units(pixels).view(n_images, n_members, -1).transpose(0, 1)
        return normalised
