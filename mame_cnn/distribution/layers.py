"""Layers of a network of which each process has some rows of the batch.

Normalisation has the statistics of the whole batch, and dropout drops what it would drop of the
whole batch, so that the number of processes does not change what is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commands.errors import UserError
from mame_cnn.distribution.processes import Ranks
from mame_cnn.families.modules import CohortOfModules
from mame_cnn.layers import CohortBatchNorm2d, CohortDropout
from mame_cnn.layers.batch_norm import EPSILON, MOMENTUM


@dataclass(frozen=True)
class Shard:
    """Which rows of every batch this process has."""

    ranks: Ranks
    n_images: int
    """Of the whole batch."""

    @property
    def rows(self) -> slice:
        """Its own."""
        return self.ranks.rows(self.n_images)


def share_layers(network: nn.Module, shard: Shard) -> None:
    """Replace layers that see a whole batch by those that see rows of it; weights stay.

    Raises `UserError` for networks of layers that are not those of a cohort.
    """
    if isinstance(network, CohortOfModules):
        raise UserError(
            "several processes can train plain, vgg, resnet and mobilenet networks; layers of "
            "others would each see a part of the batch alone: use one process"
        )
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, CohortBatchNorm2d):
                setattr(module, name, SharedBatchNorm2d(layer, shard))
            elif isinstance(layer, CohortDropout):
                setattr(module, name, SharedDropout(layer, shard))


class SharedDropout(CohortDropout):
    """Draws for the whole batch, in each process the same, and uses its own rows.

    For a moment it needs the memory of the whole batch's outputs three times.
    """

    def __init__(self, plain: CohortDropout, shard: Shard):
        super().__init__(plain.drop_rates)
        self._shard = shard

    def forward(self, outputs: Tensor) -> Tensor:
        """Return the outputs, in training with some of them dropped."""
        if not self.training or not any(self.drop_rates):
            return outputs
        batch_dim = 0 if outputs.ndim == 4 else 1  # [N, T*C, H, W] or [T, N, F]
        shape = list(outputs.shape)
        shape[batch_dim] = self._shard.n_images
        rows = self._shard.rows
        scales = super().forward(outputs.new_ones(shape))  # what dropout makes of ones
        own = scales.narrow(batch_dim, rows.start, rows.stop - rows.start)
        # A copy: the backward pass must not keep the rows of others.
        return outputs * torch.empty_like(outputs).copy_(own)


class SharedBatchNorm2d(CohortBatchNorm2d):
    """Normalises each channel over the rows of all processes (as torch.nn.SyncBatchNorm does)."""

    def __init__(self, plain: CohortBatchNorm2d, shard: Shard):
        super().__init__(*plain.weight.shape)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self._shard = shard

    def forward(self, maps: Tensor) -> Tensor:
        """Return the normalised maps; in training, move the running statistics."""
        if not self.training:
            return super().forward(maps)
        n_pixels = maps.shape[2:].numel()
        counts = [n * n_pixels for n in self._shard.ranks.counts(self._shard.n_images)]
        apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Normalisation.apply
        weight, bias = self.weight.flatten(), self.bias.flatten()
        outputs, mean, var = apply(maps, weight, bias, counts, self._shard.ranks)
        unbiased = var * (sum(counts) / max(1, sum(counts) - 1))
        self.running_mean.lerp_(mean.view_as(self.running_mean), MOMENTUM)
        self.running_var.lerp_(unbiased.view_as(self.running_var), MOMENTUM)
        return outputs


class _Normalisation(torch.autograd.Function):
    """Batch normalisation (Ioffe & Szegedy 2015) of rows by the statistics of all rows.

    Differentiated is the sum of all processes' losses. One sum over processes each way.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor, counts: list[int], ranks: Ranks
    ) -> tuple[Tensor, Tensor, Tensor]:
        var, mean = torch.var_mean(maps.to(weight.dtype), (0, 2, 3), correction=0)
        of_ranks = mean.new_zeros(ranks.n, 2, len(mean))
        of_ranks[ranks.rank] = torch.stack([mean, var])
        means, variances = ranks.sum(of_ranks).unbind(1)  # [R, C]
        # Chan, Golub & LeVeque 1983, equation 2.1: no difference of large sums.
        shares = (means.new_tensor(counts) / sum(counts)).unsqueeze(1)  # [R, 1]
        mean = (shares * means).sum(0)
        var = (shares * (variances + (means - mean).square())).sum(0)
        ctx.save_for_backward(maps, weight, mean, (var + EPSILON).rsqrt())
        ctx.n, ctx.ranks = sum(counts), ranks
        ctx.mark_non_differentiable(mean, var)
        return F.batch_norm(maps, mean, var, weight, bias, eps=EPSILON), mean, var

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, mean, root = ctx.saved_tensors
        gradient = gradients[0].to(weight.dtype)
        standard = (maps.to(weight.dtype) - _channels(mean)) * _channels(root)
        own = torch.stack([gradient.sum((0, 2, 3)), (gradient * standard).sum((0, 2, 3))])
        offset, slope = ctx.ranks.sum(own.clone()) / ctx.n  # [C] each
        gradient = gradient - _channels(offset) - standard * _channels(slope)
        # Those of weight and bias are summed over processes with all others, later.
        return (gradient * _channels(weight * root)).to(maps.dtype), own[1], own[0], None, None


def _channels(numbers: Tensor) -> Tensor:
    return numbers.view(1, -1, 1, 1)
