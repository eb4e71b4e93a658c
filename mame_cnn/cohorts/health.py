"""When a member's training is beyond help: broken numbers, exploding gradients, chance.

What is looked at is read once an epoch, with the rows that are read anyway, and never makes the
host wait for the device in between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mame_cnn.configuration.config import OneCycle, Training
from mame_cnn.inputs.device_data import DeviceData

GRADIENT_LIMIT = 1e6
"""A norm beyond which a gradient has exploded (Pascanu et al. 2013 name the symptom, a norm that
has grown by orders of magnitude, and leave the number open)."""
LOSS_LIMIT = 1e6
"""Of an epoch's mean training loss. Cross-entropy is at most the largest difference of two logits
and ln K: with such ones, what made them has exploded even if no gradient is left."""
Z = 3
"""Standard errors above chance, which one epoch in some hundreds exceeds by luck."""
MIN_EPOCHS = 5
"""Nobody is given up before: a network may rest on a plateau before it learns."""
SHARE_OF_BUDGET = 1 / 4
"""Of its epochs that a member may spend at chance."""
LOSS_TOLERANCE = 0.005
"""Constant answers may get a loss lower by this share: an epoch leaves out a few images."""


def loss_fault(epoch: int, train_loss: float, penalty: float, val_loss: float) -> str | None:
    """Say that losses are beyond help after this epoch, or return None."""
    told = f"(train {train_loss:g}, penalty {penalty:g}, validation {val_loss:g})"
    if not math.isfinite(train_loss + penalty + val_loss):
        return f"loss is no longer finite in epoch {epoch} {told}"
    if train_loss > LOSS_LIMIT:
        return f"loss exploded in epoch {epoch} {told}"
    return None


@dataclass(frozen=True)
class Vitals:
    """What an epoch left behind in one member, beside what it measured."""

    gradient_norm: float
    """Euclidean, of the last step, penalties included."""
    largest_weight: float
    """Its magnitude; NaN if any weight is."""
    largest_moment: float
    """Of all that the update rule keeps; NaN if any of it is."""

    def fault(self, epoch: int) -> str | None:
        """Say what is beyond help after this epoch, or return None."""
        if not math.isfinite(self.largest_weight):
            return f"weights are no longer finite in epoch {epoch}"
        if not self.gradient_norm <= GRADIENT_LIMIT:
            return (
                f"gradients exploded in epoch {epoch}: norm {self.gradient_norm:.2g} in its last "
                f"step, more than {GRADIENT_LIMIT:g}"
            )
        if not math.isfinite(self.largest_moment):
            # Adam divides by the root of such a square, and never moves that weight again.
            return (
                f"gradients exploded in epoch {epoch}: what the update rule keeps of them is no "
                "longer finite"
            )
        return None


def vital_columns(
    weights: Tensor, gradients: Tensor, moments: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return the fields of `Vitals` by name, [T] each, of matrices [T, P]."""
    return {
        "gradient_norm": torch.linalg.vector_norm(gradients, dim=1),
        "largest_weight": _largest(weights),
        "largest_moment": torch.stack([_largest(moment) for moment in moments]).amax(0),
    }


def _largest(rows: Tensor) -> Tensor:
    low, high = rows.aminmax(dim=1)  # NaN where a row has one; no copy, as abs() would make
    return torch.maximum(-low, high)


@dataclass(frozen=True)
class Chance:
    """The most that answers achieve which do not depend on the image."""

    train_accuracy: float
    val_accuracy: float
    train_loss: float
    """The least."""

    def explains(self, train_accuracy: float, val_accuracy: float, train_loss: float) -> bool:
        """Whether an epoch is no better than such answers in any respect."""
        return (
            train_accuracy <= self.train_accuracy
            and val_accuracy <= self.val_accuracy
            and train_loss >= (1 - LOSS_TOLERANCE) * self.train_loss
        )


def chance(data: DeviceData, training: Training) -> Chance:
    """Return what images of these classes allow without a look at them.

    The share of the largest class, as nothing else is as often right, and `Z` standard errors
    sqrt(p (1 - p) / n) more, for guesses that differ from image to image.
    """
    train, val = (
        torch.bincount(split.labels, minlength=data.n_classes).double().cpu()
        for split in (data.train, data.val)
    )
    weights = data.class_weights.double().cpu()
    if training.class_weights == "none":
        weights = torch.ones_like(weights)
    return Chance(
        train_accuracy=_most_by_luck(train),
        val_accuracy=_most_by_luck(val),
        train_loss=constant_loss(train, training.label_smoothing, weights),
    )


def chance_epochs(training: Training) -> int:
    """Return after how many epochs at chance a member is given up.

    A warm-up is waited for, as its first learning rates are too low to learn anything.
    """
    schedule = training.schedule
    warmup = schedule.warmup_fraction if isinstance(schedule, OneCycle) else 0.0
    return max(MIN_EPOCHS, math.ceil(max(SHARE_OF_BUDGET, warmup) * training.epochs))


def constant_loss(counts: Tensor, label_smoothing: float, class_weights: Tensor) -> float:
    """Return the least training loss of answers that are the same for all images.

    The loss is sum_k m_k * -log p_k, where m_k is the weight that class k has in the mean target;
    it is least for p proportional to m.

    Args:
        counts: of the classes' images, [K].
        class_weights: [K]; those of classes without images do not matter.
    """
    shares = counts / counts.sum()
    weighted = torch.where(counts > 0, shares * class_weights, 0)
    spread = torch.where(class_weights.isfinite(), class_weights, 0) / len(counts)
    target = ((1 - label_smoothing) * weighted + label_smoothing * spread) / weighted.sum()
    total = target.sum()
    return float((torch.special.entr(target / total) * total).sum())


def _most_by_luck(counts: Tensor) -> float:
    share = float(counts.max() / counts.sum())
    return share + Z * math.sqrt(share * (1 - share) / float(counts.sum()))
