"""Early stopping on the loss alone, while the weights of the best accuracy are kept."""

from mame_cnn.cohorts.progress import Progress
from mame_cnn.configuration.pretrained import Unfreezing
from tests.mame_cnn.factory import make_config


def progress(
    steps: tuple[Unfreezing, ...] = (), *, patience_on: str = "accuracy_or_loss"
) -> Progress:
    config = make_config(epochs=20, patience_epochs=3, patience_on=patience_on)
    return Progress(config.training, steps=steps)


def epochs_until_it_stops(counted: Progress, figures: list[tuple[float, float]]) -> int:
    for accuracy, loss in figures:
        counted.completed(accuracy, loss)
        if counted.is_finished:
            break
    return counted.epoch


RISING = [(0.1 * epoch, 1.0 + epoch) for epoch in range(1, 10)]
"""Accuracy rises in every epoch, and so does the loss: the network grows overconfident."""


def test_a_rising_loss_ends_a_training_whose_accuracy_still_rises() -> None:
    counted = progress(patience_on="loss")
    assert epochs_until_it_stops(counted, RISING) == 4
    # What is kept is the best accuracy all the same.
    assert (counted.best_epoch, counted.best_accuracy) == (4, 0.4)


def test_by_default_either_is_progress() -> None:
    assert epochs_until_it_stops(progress(), RISING) == 9


def test_patience_counts_from_the_last_unfreezing() -> None:
    steps = tuple(
        Unfreezing(after_epochs=after, from_block=block, lr=1e-4)
        for after, block in ((2, 4), (5, 1))
    )
    assert epochs_until_it_stops(progress(steps, patience_on="loss"), RISING) == 8


def test_patience_of_zero_never_stops_before_the_budget() -> None:
    config = make_config(epochs=6, patience_epochs=0, patience_on="loss")
    assert epochs_until_it_stops(Progress(config.training), RISING) == 6
