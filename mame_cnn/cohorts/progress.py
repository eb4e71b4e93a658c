"""How far one member has come: its epochs, its best one, when to slow down and when to stop."""

import math
from dataclasses import dataclass, field, fields

from mame_cnn.cohorts.health import Chance, Vitals, chance_epochs, loss_fault
from mame_cnn.cohorts.schedules import lr_factor
from mame_cnn.configuration.config import Plateau, Training
from mame_cnn.configuration.pretrained import Unfreezing
from mame_cnn.pretrained.unfreezing import step_at

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


@dataclass
class Counts:
    """What later decisions need of a member's epochs so far."""

    epoch: int = 0
    best_accuracy: float = -math.inf
    best_epoch: int = 0
    n_reductions: int = 0
    """How often a plateau has cut the learning rate."""
    best_loss: float = math.inf
    gained_epoch: int = 0
    """The last one with progress in validation."""
    plateau_loss: float = math.inf
    plateau_epochs: int = 0
    """Since that loss."""
    has_left_chance: bool = False


class Progress(Counts):
    """Counts one member's epochs and decides what follows from them."""

    def __init__(
        self, training: Training, chance: Chance | None = None, steps: tuple[Unfreezing, ...] = ()
    ):
        """Begin.

        Args:
            steps: in which a pretrained network is unfrozen.
            chance: what is achieved without looking at images; None: whoever stays there is not
                given up.
        """
        super().__init__()
        self.training = training
        self.chance = chance
        self.steps = steps

    def go_on(self, counts: Counts) -> None:
        """Take over what was counted elsewhere."""
        vars(self).update(vars(counts))

    @property
    def counts(self) -> Counts:
        """A copy of what has been counted."""
        return Counts(**{field.name: getattr(self, field.name) for field in fields(Counts)})

    def learning_rates(self, n_steps: int) -> list[float]:
        """Return the learning rate of each step of the coming epoch."""
        training = self.training
        first = self.epoch * n_steps
        step_of_unfreezing = step_at(self.steps, self.epoch)
        full = step_of_unfreezing.lr if step_of_unfreezing else training.optimizer.lr
        return [
            full
            * lr_factor(
                training.schedule,
                step=step,
                n_steps_per_epoch=n_steps,
                epochs=training.epochs,
                n_reductions=self.n_reductions,
            )
            for step in range(first, first + n_steps)
        ]

    def ended(self, key: int, figures: Figures, vitals: Vitals | None = None) -> EpochResult:
        """Count one more epoch, which ended with these figures, and describe it."""
        is_best = False
        failure = self._broken(figures, vitals)
        if failure:
            self.failed()
        else:
            is_best = self.completed(figures.val_accuracy, figures.val_loss)
            failure = self._stuck(figures)
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
        counts_accuracy = self.training.patience_on == "accuracy_or_loss"
        if (is_best and counts_accuracy) or val_loss < self.best_loss:
            self.gained_epoch = self.epoch
        self.best_loss = min(self.best_loss, val_loss)
        self._watch_plateau(val_loss)
        return is_best

    @property
    def is_finished(self) -> bool:
        """Whether the budget is spent, or what patience looks at improved too long ago."""
        patience = self.training.patience_epochs
        last_step = self.steps[-1].after_epochs if self.steps else 0
        waited = self.epoch - max(self.gained_epoch, last_step)
        return self.epoch >= self.training.epochs or bool(patience and waited >= patience)

    def _broken(self, figures: Figures, vitals: Vitals | None) -> str | None:
        """Say what is beyond repair after the epoch that has just ended."""
        epoch = self.epoch + 1
        fault = loss_fault(epoch, figures.train_loss, figures.penalty, figures.val_loss)
        return fault or (vitals.fault(epoch) if vitals else None)

    def _stuck(self, figures: Figures) -> str | None:
        """Say that accuracy has not left chance, where it has had time to."""
        chance = self.chance
        if chance is None or self.has_left_chance:
            return None
        self.has_left_chance = not chance.explains(
            figures.train_accuracy, figures.val_accuracy, figures.train_loss
        )
        waited_for = chance_epochs(self.training)
        if self.has_left_chance or self.is_finished or self.epoch < waited_for:
            return None
        return (
            f"accuracy stayed at chance for {self.epoch} epochs: {figures.train_accuracy:.3f} in "
            f"training and {self.best_accuracy:.3f} in validation; answers that do not look at "
            f"images reach {chance.train_accuracy:.3f} and {chance.val_accuracy:.3f}"
        )

    def _watch_plateau(self, val_loss: float) -> None:
        """Count epochs without a lower loss, as torch's ReduceLROnPlateau does."""
        if not isinstance(self.training.schedule, Plateau):
            return
        if val_loss < self.plateau_loss * (1 - RELATIVE_THRESHOLD):
            self.plateau_loss, self.plateau_epochs = val_loss, 0
        else:
            self.plateau_epochs += 1
        if self.plateau_epochs > self.training.schedule.patience_epochs:
            self.n_reductions += 1
            self.plateau_epochs = 0
