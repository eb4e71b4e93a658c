"""Learning-rate schedules as pure functions of time: nothing is counted in here."""

import math

from mame_cnn.configuration.config import (
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Plateau,
    Schedule,
)

START_DIVISOR = 25  # OneCycle starts at lr / 25 and ends at lr / 25 / 10,000: torch's defaults
END_DIVISOR = 25 * 1e4


def lr_factor(
    schedule: Schedule, *, step: int, n_steps_per_epoch: int, epochs: int, n_reductions: int = 0
) -> float:
    """Return what the learning rate is multiplied by in one step.

    Args:
        step: updates made before this one, over all epochs.
        n_reductions: how often a plateau was met so far; only `Plateau` asks.
    """
    n_steps = epochs * n_steps_per_epoch
    match schedule:
        case Constant():
            return 1.0
        case Exponential(rate=rate, after_epochs=after_epochs):
            n_decays = max(0, step // n_steps_per_epoch - after_epochs + 1)
            return math.exp(-rate * n_decays)
        case Plateau(factor=factor):
            return float(factor**n_reductions)
        case Cosine():
            return _between(1, 0, step / n_steps)
        case OneCycle(warmup_fraction=warmup_fraction):
            peak = warmup_fraction * n_steps - 1
            start, end = 1 / START_DIVISOR, 1 / END_DIVISOR
            if step < peak:
                return _between(start, 1, step / peak)
            return _between(1, end, (step - peak) / (n_steps - 1 - peak))


def _between(start: float, end: float, progress: float) -> float:
    """Return the point of half a cosine wave from start to end; progress runs from 0 to 1."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))
