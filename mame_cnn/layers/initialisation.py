"""Initial weights, drawn member by member so that a slot has no influence on them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def he_normal_(weight: Tensor, generators: Sequence[torch.Generator]) -> None:
    """Fill [T, O, ...] with N(0, 2 / fan_in) in place (He et al. 2015, arXiv 1502.01852).

    Drawn on the CPU in float32 whatever the weight's device and type, so that one seed gives
    the same network everywhere.
    """
    fan_in = weight[0, 0].numel()
    for member, generator in zip(weight, generators, strict=True):
        drawn = torch.randn(member.shape, generator=generator, dtype=torch.float32)
        member.copy_(drawn * math.sqrt(2 / fan_in))
