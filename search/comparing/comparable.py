"""Which trials can be compared: those that answered for the same images.

A trial whose kept predictions cannot be used is left out, and it is said; studies of other images
or labels cannot be compared at all.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from commands.errors import UserError
from search.files.predictions import Predictions

LARGEST_GAP = 0.005
"""Between a trial's value and the accuracy of its predictions, which float16 can make equal."""
_MOST_NUMBERS = 10
"""Trials named in one note."""


@dataclass(frozen=True)
class Predicted:
    """A complete trial and what it said of the validation images after its best epoch."""

    study: str
    number: int
    value: float
    """The trial's value, its validation accuracy."""
    predictions: Predictions


def comparable(trials: Iterable[Predicted]) -> tuple[list[Predicted], list[str]]:
    """Return the trials that can be compared, and notes on those that cannot.

    Raises `UserError` if none can, or if studies differ in their images or labels.
    """
    kept: list[Predicted] = []
    faults: dict[tuple[str, str], list[int]] = defaultdict(list)
    for study, own in _by_study(trials).items():
        sound = []
        for trial in own:
            if fault := _fault(trial):
                faults[study, fault].append(trial.number)
            else:
                sound.append(trial)
        most = _most_common_digest(sound)
        for trial in sound:
            digest = labels_digest(trial.predictions)
            if digest == most:
                kept.append(trial)
            else:
                fault = f"its labels are others ({digest}) than those of most trials ({most})"
                faults[study, fault].append(trial.number)
    notes = [left_out(study, fault, numbers) for (study, fault), numbers in faults.items()]
    if not kept:
        raise UserError("; ".join(["no trial can be compared", *notes]))
    _check_labels(kept)
    return kept, [*notes, *_gaps(kept)]


def left_out(study: str, reason: str, numbers: Sequence[int]) -> str:
    """Say that trials are left out of a comparison, and why."""
    return f"study {study}: left out, {reason}: {_trials(numbers)}"


def labels_digest(predictions: Predictions) -> str:
    """Return 12 hex digits that tell labels, their order and the number of classes apart."""
    labels = np.ascontiguousarray(predictions.labels, dtype="<i8")
    n_classes = predictions.probs.shape[1]
    return hashlib.sha256(f"{n_classes} ".encode() + labels.tobytes()).hexdigest()[:12]


def _by_study(trials: Iterable[Predicted]) -> dict[str, list[Predicted]]:
    by_study: dict[str, list[Predicted]] = defaultdict(list)
    for trial in trials:
        by_study[trial.study].append(trial)
    return by_study


def _fault(trial: Predicted) -> str | None:
    """Say what keeps a trial from being compared, or return None."""
    if not math.isfinite(trial.value):
        return f"its value is {trial.value}"
    if not np.isfinite(trial.predictions.probs).all():
        return "its probabilities are not all finite"
    if len(trial.predictions.labels) < 2:
        return "its predictions are for fewer than 2 images"
    return None


def _most_common_digest(trials: Sequence[Predicted]) -> str | None:
    """Return the labels that most trials have, of equally many those met first."""
    n = Counter(labels_digest(trial.predictions) for trial in trials)
    return n.most_common(1)[0][0] if n else None


def _check_labels(trials: Sequence[Predicted]) -> None:
    digests = {trial.study: labels_digest(trial.predictions) for trial in trials}
    if len(set(digests.values())) > 1:
        each = ", ".join(f"{study} has {digest}" for study, digest in digests.items())
        raise UserError(
            f"studies with other validation images or labels cannot be compared: {each}"
        )


def _gaps(trials: Sequence[Predicted]) -> Iterable[str]:
    """Yield a note on trials whose predictions do not give their values."""
    gaps: dict[str, list[int]] = defaultdict(list)
    for trial in trials:
        wrong = trial.predictions.is_wrong
        if abs(1 - wrong.mean() - trial.value) > max(LARGEST_GAP, 1.5 / len(wrong)):
            gaps[trial.study].append(trial.number)
    for study, numbers in gaps.items():
        yield (
            f"study {study}: the value differs from the accuracy of the kept predictions, "
            f"which counts here: {_trials(numbers)}"
        )


def _trials(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    more = len(numbers) - _MOST_NUMBERS
    return f"trial {shown}" + (f" and {more} more" if more > 0 else "")
