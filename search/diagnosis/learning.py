"""Does it learn at all, and at a fitting pace? Divergence, chance, and the learning rate."""

import math

import numpy as np

from search.diagnosis.advice import PENALTIES, own, strongest
from search.diagnosis.curves import MIN_EPOCHS, Curve, Curves, Z, end_of, standard_error
from search.diagnosis.finding import Finding
from search.files.history import ENERGY

AT_CHANCE = "accuracy stayed at chance"
"""How the reason begins for which trials are ended that have not diverged."""
MIN_FALLS = 2
"""Falls of the training accuracy: one may be an accident."""
SLOW_SHARE = 1 / 3
"""Of the fall of the training loss that lies in the second half of the epochs. An exponential
approach has it with a time constant of 1 / (2 ln 2) = 0.72 of the epochs, and needs three time
constants, more than twice the epochs, for 95 % of its way."""
STEADY_SHARE = 3 / 4
"""Of the steps of a slow loss lead down: it is slow, not restless."""
MIN_SLOW_EPOCHS = 6
"""The fewest that have halves of three epochs."""
LEARNT_SHARE = 3 / 4
"""Whoever has learnt three quarters of what there is was not too slow."""
WEAK_LEARNT = 1 / 2
"""Less than half: severe."""


def diverged(curves: Curves) -> Finding | None:
    """Tell of a loss that is no longer finite, or of training that broke off with the reason."""
    history = curves.history
    bad = [
        (epoch, name)
        for name, column in history.metrics.items()
        if name != ENERGY
        for epoch, number in zip(history.epochs, column, strict=True)
        if not math.isfinite(number)
    ]
    failure = history.failure or ""
    has_failed = bool(failure) and history.state != "fail" and not failure.startswith(AT_CHANCE)
    if not bad and not has_failed:
        return None
    epoch = min(bad)[0] if bad else history.epochs[-1]
    reason = failure if has_failed else f"{min(bad)[1]} is not finite in epoch {epoch}"
    before = [index for index, other in enumerate(history.epochs) if other < epoch]
    last = f"; epoch {epoch - 1} still had {history.values[before[-1]]:.3f}" if before else ""
    return Finding(
        "diverged",
        "high",
        f"diverged: {reason}{last}",
        f"lower the upper end of lr{own(curves.params, 'lr')}; batch normalisation, or warm-up "
        "(schedule one_cycle), bears a higher one",
        epochs=(epoch,),
        values=tuple(history.values[index] for index in before[-1:]),
    )


def stuck_at_chance(curves: Curves) -> Finding | None:
    """Tell of a validation accuracy that never left chance."""
    val, limit = curves.val, curves.most_by_chance
    if len(val) < MIN_EPOCHS or val.max() > limit:
        return None
    best = int(val.argmax())
    message = (
        f"stuck at chance: validation accuracy is at most {val[best]:.3f} (epoch "
        f"{curves.epochs[best]}) in {len(val)} epochs; guessing reaches {curves.chance:.3f}, and "
        f"up to {limit:.3f} by luck"
    )
    message, next_step = _reason_for_chance(curves, message)
    return Finding(
        "stuck_at_chance",
        "high",
        message,
        next_step,
        epochs=(curves.epochs[best], curves.epochs[-1]),
        values=(float(val[best]),),
    )


def lr_too_high(curves: Curves) -> Finding | None:
    """Tell of a training accuracy that falls again and again.

    It is a mean over all training images; a fall that already so many validation images could
    not explain by chance is the optimiser's.
    """
    train = curves.metric("train_accuracy")
    if train is None or len(train) < MIN_EPOCHS:
        return None
    falls = [index for index in range(1, len(train)) if _is_fall(train, index, curves.n_val)]
    if len(falls) < MIN_FALLS:
        return None
    told = ", ".join(
        f"{train[index - 1]:.3f} -> {train[index]:.3f} at epoch {curves.epochs[index]}"
        for index in falls[:3]
    )
    lost = float(curves.val.max()) - curves.val_end
    is_severe = lost > curves.resolution or curves.learnt(end_of(train)) < WEAK_LEARNT
    return Finding(
        "lr_too_high",
        "high" if is_severe else "medium",
        f"the learning rate is too high: training accuracy fell {len(falls)} times ({told})",
        f"lower the upper end of lr{own(curves.params, 'lr')}, or let it decay (schedule cosine)",
        epochs=tuple(curves.epochs[index] for index in falls),
        values=tuple(float(train[index]) for index in falls),
    )


def lr_too_low(curves: Curves) -> Finding | None:
    """Tell of a training loss that falls slowly and evenly, with most still to be learnt.

    A learning rate that rises (warm-up) makes any start slow, and is not judged.
    """
    loss, lr, train_end = curves.metric("train_loss"), curves.metric("lr"), curves.train_end
    n = len(curves.epochs)
    if loss is None or train_end is None or n < max(MIN_SLOW_EPOCHS, curves.budget_epochs / 2):
        return None
    learnt = curves.learnt(train_end)
    is_warmed_up = lr is not None and lr.max() > lr[0]
    if is_warmed_up or learnt >= LEARNT_SHARE or np.mean(np.diff(loss) < 0) < STEADY_SHARE:
        return None
    # Before the first epoch a network knows nothing: ln K, the loss of equal probabilities.
    course = np.concatenate([[max(math.log(curves.n_classes), loss[0])], loss])
    middle = float(np.interp(n / 2, np.arange(n + 1), course))
    if course[-1] >= middle:  # it fell, and rose again
        return None
    share = (middle - course[-1]) / (course[0] - course[-1])
    if share < SLOW_SHARE:
        return None
    return Finding(
        "lr_too_low",
        "high" if learnt < WEAK_LEARNT else "medium",
        f"the learning rate is too low, or the epochs too few: the training loss falls evenly, "
        f"{loss[0]:.3f} at epoch {curves.epochs[0]}, {middle:.3f} half-way, {loss[-1]:.3f} at "
        f"epoch {curves.epochs[-1]}, with {share:.0%} of its fall in the second half; training "
        f"accuracy {train_end:.3f}",
        f"raise the lower end of lr{own(curves.params, 'lr')}; else more than twice the epochs",
        epochs=(curves.epochs[0], curves.epochs[-1]),
        values=(float(loss[0]), middle, float(loss[-1])),
    )


def _is_fall(train: Curve, index: int, n_images: int) -> bool:
    before = float(train[index - 1])
    least = Z * math.sqrt(2) * standard_error(before, n_images)
    return float(train[index]) < before - least


def _reason_for_chance(curves: Curves, message: str) -> tuple[str, str]:
    """Return the message with what else is seen, and the next step that follows from it."""
    train_end, loss = curves.train_end, curves.metric("train_loss")
    penalty = curves.metric("penalty")
    if train_end is not None and train_end > curves.most_by_chance:
        return (
            f"{message}. Training accuracy is {train_end:.3f} though",
            "check that validation images have the labels and the kind of the training images; "
            "else see overfitting: fewer weights, more dropout",
        )
    if loss is not None and penalty is not None and penalty[-1] > loss[-1]:
        used = strongest(curves.params, PENALTIES) or "l1, l2"
        return (
            f"{message}. The penalties ({penalty[-1]:.3g}) outweigh the loss ({loss[-1]:.3g})",
            f"lower the upper ends of the penalties: {used}",
        )
    if loss is not None and np.mean(np.diff(loss) < 0) >= STEADY_SHARE:
        return (
            f"{message}. The training loss falls, slowly ({loss[0]:.3f} -> {loss[-1]:.3f})",
            f"raise the lower end of lr{own(curves.params, 'lr')}, or the epochs",
        )
    return (
        message,
        f"try lr{own(curves.params, 'lr')} at a third and at three times its value, without "
        "penalties and dropout; batch normalisation helps to start",
    )
