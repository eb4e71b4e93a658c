"""What differs between the members of a cohort, as tensors with one row a member."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from mame_cnn.config import Config
from mame_cnn.flat import FlatParameters
from mame_cnn.loss import KernelPenalty
from mame_cnn.network import CohortNetwork


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of every member; learning rates are apart, as they change in time."""

    momentum: Tensor
    """[T, 1]."""
    weight_decay: Tensor
    """[T, 1]."""
    label_smoothing: Tensor
    """[T]."""
    ema_decay: Tensor
    """[T]."""
    penalties: tuple[KernelPenalty, ...]
    """Of those kernels that any member penalises."""


def gather_coefficients(
    configs: Sequence[Config], network: CohortNetwork, flat: FlatParameters
) -> Coefficients:
    """Return the coefficients of configurations that share a fusion key."""
    trainings = [config.training for config in configs]
    return Coefficients(
        momentum=_column(flat, (training.optimizer.momentum for training in trainings)),
        weight_decay=_column(flat, (training.optimizer.weight_decay for training in trainings)),
        label_smoothing=_column(flat, (t.label_smoothing for t in trainings)).squeeze(1),
        ema_decay=_column(flat, (training.ema_decay for training in trainings)).squeeze(1),
        penalties=_penalties(configs, network, flat),
    )


def _penalties(
    configs: Sequence[Config], network: CohortNetwork, flat: FlatParameters
) -> tuple[KernelPenalty, ...]:
    """Pair every hidden kernel with its block's or dense layer's coefficients."""
    layers_of_members = [
        [
            *(block for block in config.network.blocks for _ in range(block.convolutions)),
            *config.network.dense,
        ]
        for config in configs
    ]
    *hidden_kernels, _output_kernel = network.kernels()
    return tuple(
        KernelPenalty(
            columns=flat.columns(kernel),
            l1=_column(flat, (layer.l1 for layer in layers)),
            l2=_column(flat, (layer.l2 for layer in layers)),
        )
        for kernel, *layers in zip(hidden_kernels, *layers_of_members, strict=True)
        if any(layer.l1 or layer.l2 for layer in layers)
    )


def _column(flat: FlatParameters, values: Iterable[float]) -> Tensor:
    """Return one number a member as [T, 1], of the weights' type and on their device."""
    return flat.weights.new_tensor(list(values)).unsqueeze(1)
