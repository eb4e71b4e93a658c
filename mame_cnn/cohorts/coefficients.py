"""What differs between the members of a cohort, as tensors with one row a member."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from mame_cnn.cohorts.flat import FlatParameters
from mame_cnn.cohorts.loss import KernelPenalty
from mame_cnn.configuration.config import Config
from mame_cnn.families.network import CohortNetwork


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
    of_members = [network.penalised(config.network) for config in configs]
    return tuple(
        KernelPenalty(
            columns=flat.columns(rows[0][0]),
            l1=_column(flat, (own.l1 for _, own in rows)),
            l2=_column(flat, (own.l2 for _, own in rows)),
        )
        for rows in zip(*of_members, strict=True)  # of one kernel, one a member
        if any(own.l1 or own.l2 for _, own in rows)
    )


def _column(flat: FlatParameters, values: Iterable[float]) -> Tensor:
    """Return one number a member as [T, 1], of the weights' type and on their device."""
    return flat.weights.new_tensor(list(values)).unsqueeze(1)
