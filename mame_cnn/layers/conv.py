"""Convolution for T members: one grouped convolution."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mame_cnn.layers.initialisation import he_normal_


class CohortConv2d(nn.Module):
    """Convolves with zero padding that keeps the size, which the stride then divides.

    Takes [N, T*C, H, W], or [N, C, H, W] that all members share; returns [N, T*O, H, W]. With
    one input channel it takes maps of any number of channels that divides O, and gives each its
    own kernels: a depthwise convolution (Howard et al. 2017, arXiv 1704.04861).
    """

    def __init__(
        self,
        n_members: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
    ):
        super().__init__()
        self.stride = stride
        kernel = (n_members, out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(kernel))  # [T, O, C, K, K]
        self.bias = nn.Parameter(torch.empty(n_members, out_channels))  # [T, O]

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw He-normal kernels, each member from its own generator; biases start at 0."""
        he_normal_(self.weight, generators)
        nn.init.zeros_(self.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the convolved maps."""
        in_channels = self.weight.shape[2]
        # Maps that all members share need no groups: the members' kernels are further outputs.
        groups = maps.shape[1] // in_channels
        return F.conv2d(
            maps,
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            stride=self.stride,
            padding=self.weight.shape[-1] // 2,
            groups=groups,
        )
