"""Members trained on validation images too: the training that found the best epoch, repeated."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mame_cnn.cohorts.progress import Progress
from mame_cnn.configuration.config import Config
from mame_cnn.data.load import load_dataset
from mame_cnn.ensemble import make_ensemble
from mame_cnn.ensembles.making import Wishes
from mame_cnn.ensembles.members import Recipe
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.runs.training_plan import Plan
from tests.mame_cnn.factory import make_config
from tests.mame_cnn.pretrained.files import transfer_config, write_own

SMALL: dict[str, Any] = {"image_size": 8, "batch_size": 64}
BROKEN = 1e30
"""A learning rate at which a network is lost at once, so that an epoch before is the best."""


def refitted(configs: list[Config], folder: Path) -> tuple[Ensemble, list[pd.DataFrame]]:
    """Return the ensemble of networks that are all trained on validation too, with histories."""
    recipes = [Recipe(f"{n:02d}", config, {}) for n, config in enumerate(configs, start=1)]
    made = make_ensemble(
        recipes,
        load_dataset("digits", 8),
        folder,
        plan=Plan(uses_val=True),
        wishes=Wishes("mean"),
        device="cpu",
        is_quiet=True,
    )
    return made, [pd.read_csv(folder / each.path / "metrics.csv") for each in made.members]


def chosen(folder: Path) -> list[int]:
    """Return the best epochs of the networks that validation chose."""
    return [int(epoch) for epoch in pd.read_csv(folder / "members.csv")["best_epoch"]]


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_the_learning_rates_are_those_of_the_training_that_is_repeated(
    schedule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = Progress.completed

    def fourth_is_best(progress: Progress, val_accuracy: float, val_loss: float) -> bool:
        return completed(progress, 1.0 if progress.epoch == 3 else 0.5, val_loss)

    monkeypatch.setattr(Progress, "completed", fourth_is_best)
    config = make_config(schedule=schedule, lr=0.1, epochs=6, **SMALL)

    made, [history] = refitted([config], tmp_path)

    before = pd.read_csv(tmp_path / "members" / "01-seed-1" / "metrics.csv")
    assert chosen(tmp_path) == [4]
    assert list(history["epoch"]) == [1, 2, 3, 4]
    # Not quite the same: an epoch with more images has more steps, the last one is later.
    assert history["lr"].tolist() == pytest.approx(before["lr"][:4].tolist(), rel=0.1)
    [member] = made.members
    assert member.model.metrics["best_epoch"] == 4
    assert member.model.config.training.epochs == 6
    assert member.model.saw_val


def test_an_unfreezing_that_the_best_epoch_is_before_keeps_nothing_from_being_made(
    tmp_path: Path,
) -> None:
    backbone, digits = write_own(tmp_path / "own.safetensors", image_size=8)
    steps: tuple[dict[str, Any], ...] = ({"after_epochs": 1, "from_block": 1, "lr": BROKEN},)
    config = transfer_config(
        backbone, tmp_path / "own.safetensors", digits, unfreezing=steps, epochs=3, **SMALL
    )

    _, [history] = refitted([config], tmp_path / "ensemble")

    assert chosen(tmp_path / "ensemble") == [1]
    assert list(history["epoch"]) == [1]


def test_networks_refitted_already_are_not_refitted_again(tmp_path: Path) -> None:
    config = make_config(epochs=2, **SMALL)
    made, _ = refitted([config], tmp_path)
    again, _ = refitted([config], tmp_path)

    assert [each.path for each in again.members] == [each.path for each in made.members]
