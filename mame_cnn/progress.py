"""How far one member has come: its epochs, its best one, when to slow down and when to stop."""

import math
from dataclasses import dataclass, field

from mame_cnn.config import Plateau, Training
from mame_cnn.schedules import lr_factor

RELATIVE_THRESHOLD = 1e-4
"""A loss must fall by this share to count as lower: the default of torch's plateau schedule."""


@dataclass(frozen=True)
class Figures:
    """What is measured of one member in one epoch; losses are mean cross-entropy."""

    lr: float
    """Learning rate of the epoch's last step."""
    train_loss: float
    """As optimised, label smoothing and class weights included, penalties apart."""
    penalty: float
    """L1 and L2 penalties at the epoch's end."""
    train_accuracy: float
    """Over the epoch's batches as they were trained on, augmented and with dropout."""
    val_loss: float
    val_accuracy: float
    images_per_s: float
    energy_j: float | None = field(default=None, kw_only=True)
    """The member's share of what the device used; None where that is not known."""

    @property
    def is_finite(self) -> bool:
        """Whether the weights are still of use."""
        return math.isfinite(self.train_loss + self.penalty + self.val_loss)


@dataclass(frozen=True)
class EpochResult(Figures):
    """What one member did in one epoch."""

    key: int
    epoch: int
    """Epochs completed, counted from 1."""
    is_best: bool
    """Whether no earlier epoch had this validation accuracy."""
    is_finished: bool
    failure: str | None

    @property
    def value(self) -> float:
        """The objective: validation accuracy."""
        return self.val_accuracy

    @property
    def metrics(self) -> dict[str, float]:
        """The figures of the epoch by name; the energy only where it is known."""
        figures = {
            "lr": self.lr,
            "train_loss": self.train_loss,
            "penalty": self.penalty,
            "train_accuracy": self.train_accuracy,
            "val_loss": self.val_loss,
        }
        return figures if self.energy_j is None else {**figures, "energy_j": self.energy_j}


class Progress:
    """Counts one member's epochs and remembers what later decisions need."""

    def __init__(self, training: Training):
        self.training = training
        self.epoch = 0
        self.best_accuracy = -math.inf
        self.best_epoch = 0
        self.n_reductions = 0
        """How often a plateau has cut the learning rate."""
        self._best_loss = math.inf
        self._best_accuracy_or_loss_epoch = 0
        self._plateau_loss = math.inf
        self._plateau_epochs = 0

    def learning_rates(self, n_steps: int) -> list[float]:
        """Return the learning rate of each step of the coming epoch."""
        training = self.training
        first = self.epoch * n_steps
        return [
            training.optimizer.lr
            * lr_factor(
                training.schedule,
                step=step,
                n_steps_per_epoch=n_steps,
                epochs=training.epochs,
                n_reductions=self.n_reductions,
            )
            for step in range(first, first + n_steps)
        ]

    def ended(self, key: int, figures: Figures) -> EpochResult:
        """Count one more epoch, which ended with these figures, and describe it."""
        failure, is_best = None, False
        if figures.is_finite:
            is_best = self.completed(figures.val_accuracy, figures.val_loss)
        else:
            self.failed()
            failure = (
                f"loss is no longer finite in epoch {self.epoch} "
                f"(train {figures.train_loss:g}, penalty {figures.penalty:g}, "
                f"validation {figures.val_loss:g})"
            )
        return EpochResult(
            **vars(figures),
            key=key,
            epoch=self.epoch,
            is_best=is_best,
            is_finished=self.is_finished,
            failure=failure,
        )

    def failed(self) -> None:
        """Count an epoch that ended without a usable network; it is never the best."""
        self.epoch += 1

    def completed(self, val_accuracy: float, val_loss: float) -> bool:
        """Count one more epoch; return whether its validation accuracy is the best so far."""
        self.epoch += 1
        is_best = val_accuracy > self.best_accuracy
        if is_best:
            self.best_accuracy, self.best_epoch = val_accuracy, self.epoch
        if is_best or val_loss < self._best_loss:
            self._best_accuracy_or_loss_epoch = self.epoch
        self._best_loss = min(self._best_loss, val_loss)
        self._watch_plateau(val_loss)
        return is_best

    @property
    def is_finished(self) -> bool:
        """Whether the budget is spent, or neither accuracy nor loss improved for too long."""
        patience = self.training.patience_epochs
        waited = self.epoch - self._best_accuracy_or_loss_epoch
        return self.epoch >= self.training.epochs or bool(patience and waited >= patience)

    def _watch_plateau(self, val_loss: float) -> None:
        """Count epochs without a lower loss, as torch's ReduceLROnPlateau does."""
        if not isinstance(self.training.schedule, Plateau):
            return
        if val_loss < self._plateau_loss * (1 - RELATIVE_THRESHOLD):
            self._plateau_loss, self._plateau_epochs = val_loss, 0
        else:
            self._plateau_epochs += 1
        if self._plateau_epochs > self.training.schedule.patience_epochs:
            self.n_reductions += 1
            self._plateau_epochs = 0
