"""The loss of a cohort, and the kernel penalties that are added to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(
    logits: Tensor, labels: Tensor, label_smoothing: Tensor, class_weights: Tensor | None
) -> Tensor:
    """Return each member's mean loss over the batch, [T].

    The same as `torch.nn.functional.cross_entropy` a member, whose label smoothing is one
    number; here every member has its own.

    Args:
        logits: [T, N, K].
        labels: [N] that all members share, or [T, N].
        label_smoothing: [T].
        class_weights: [K], or None for equal weights.
    """
    log_probs = F.log_softmax(logits, dim=-1)
    labels = labels.expand(logits.shape[:2])
    nll = -log_probs.gather(-1, labels.unsqueeze(-1)).squeeze(-1)  # [T, N]
    if class_weights is None:
        spread = -log_probs.mean(-1)
        weights = torch.ones_like(nll)
    else:
        weights = class_weights[labels]
        nll = nll * weights
        spread = -(log_probs * class_weights).sum(-1) / logits.shape[-1]
    smoothing = label_smoothing.unsqueeze(1)
    return ((1 - smoothing) * nll + smoothing * spread).sum(1) / weights.sum(1)


@dataclass(frozen=True)
class KernelPenalty:
    """l1 * sum |w| + l2 * sum w^2 of one kernel, each member with its own coefficients."""

    columns: slice
    """The kernel's columns in the cohort's weight matrix."""
    l1: Tensor
    """[T, 1]."""
    l2: Tensor
    """[T, 1]."""


def with_l1_of(
    penalties: Sequence[KernelPenalty], has_l1: Sequence[bool]
) -> tuple[KernelPenalty, ...]:
    """Return the penalties, L1 only of the members that are told to have it.

    Args:
        has_l1: one a member.
    """
    if all(has_l1):
        return tuple(penalties)
    return tuple(
        replace(penalty, l1=penalty.l1 * penalty.l1.new_tensor(has_l1).unsqueeze(1))
        for penalty in penalties
    )


def penalty_values(weights: Tensor, penalties: Sequence[KernelPenalty]) -> Tensor:
    """Return the sum of each member's penalties, [T], for weights [T, P]."""
    total = weights.new_zeros(len(weights))
    for penalty in penalties:
        kernel = weights[:, penalty.columns]
        total += (penalty.l1 * kernel.abs() + penalty.l2 * kernel.square()).sum(1)
    return total


@torch.no_grad()
def add_penalty_gradients(
    weights: Tensor, gradients: Tensor, penalties: Sequence[KernelPenalty]
) -> None:
    """Add the derivative of the penalties to gradients [T, P]; that of |w| at 0 is 0.

    Written out instead of left to autograd: the same numbers without keeping a graph.
    """
    for penalty in penalties:
        kernel = weights[:, penalty.columns]
        gradient = gradients[:, penalty.columns]
        gradient.addcmul_(penalty.l1, kernel.sign())
        gradient.addcmul_(penalty.l2, kernel, value=2)
