"""How unevenly images are spread over classes, and what a training does about it."""

from collections.abc import Sequence

from mame_cnn.configuration.config import Training

NOTABLE = 1.5
"""Times as many images as another class has: from here on it is worth a word."""
MEASURES = 'training.class_weights = "balanced", training.initial_bias = "frequencies"'


def imbalance(classes: Sequence[str], counts: Sequence[int]) -> str | None:
    """Say how uneven the classes of a split are, or return None where they are even enough.

    Args:
        counts: images of each class; classes without any are left out.
    """
    sized = [(count, name) for name, count in zip(classes, counts, strict=True) if count]
    if len(sized) < 2:
        return None
    most, least = max(sized), min(sized)
    times = most[0] / least[0]
    if times < NOTABLE:
        return None
    return (
        f"imbalanced: {most[1]} has {times:.1f} times as many training images as {least[1]}; "
        f"always to answer {most[1]} is right for {most[0] / sum(counts):.1%} of them"
    )


def treatment(training: Training) -> str:
    """Say what a training does about classes of different sizes."""
    if training.class_weights == "none" and training.initial_bias == "zero":
        return f"the configuration does nothing about it; it could: {MEASURES}"
    return (
        f'training.class_weights = "{training.class_weights}", '
        f'training.initial_bias = "{training.initial_bias}"'
    )
