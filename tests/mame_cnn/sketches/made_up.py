"""Epochs that nobody trained."""

from collections.abc import Sequence

from mame_cnn.cohorts.progress import EpochResult


def epochs(
    val_accuracies: Sequence[float], *, train_loss: float = 1.0, val_loss: float = 1.0
) -> list[EpochResult]:
    return [
        EpochResult(
            key=0,
            epoch=number,
            lr=0.1,
            train_loss=train_loss / number,
            penalty=0.0,
            train_accuracy=0.9 * accuracy,
            val_loss=val_loss / number,
            val_accuracy=accuracy,
            images_per_s=1.0,
            is_best=True,
            is_finished=False,
            failure=None,
        )
        for number, accuracy in enumerate(val_accuracies, start=1)
    ]
