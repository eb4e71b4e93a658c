"""What keeps an ensemble from being made is told before anything is trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.data.load import load_dataset
from mame_cnn.ensemble import make_ensemble
from mame_cnn.ensembles.members import Recipe
from mame_cnn.runs.training_plan import Plan
from tests.mame_cnn.factory import make_config


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cohort, "train_epoch", lambda cohort: pytest.fail("trained"))


@pytest.fixture
def dataset() -> Dataset:
    return load_dataset("digits", 8)


def recipe(name: str = "01", **params: Any) -> Recipe:
    return Recipe(name, make_config(image_size=8, **params), {})


@pytest.mark.parametrize("n_left", [0, 1])
def test_classes_that_no_fold_can_have_are_refused(
    n_left: int, dataset: Dataset, tmp_path: Path
) -> None:
    val = dataset.val
    nines = np.flatnonzero(val.labels == 9)
    kept = np.setdiff1d(np.arange(len(val.labels)), nines[n_left:])
    names = tuple(val.names[place] for place in kept)
    few = replace(dataset, val=Split(val.images[kept], val.labels[kept], names))

    with pytest.raises(UserError, match=f"at least 2 validation images: 9 has {n_left}"):
        make_ensemble([recipe()], few, tmp_path / "ensemble", device="cpu", is_quiet=True)


def test_networks_too_deep_for_their_images_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    recipes = [recipe("fine"), recipe("deep", depth=6, pool_size=2)]

    with pytest.raises(UserError, match="deep-seed-1"):
        make_ensemble(recipes, dataset, tmp_path / "ensemble", device="cpu", is_quiet=True)


def test_schedules_that_wait_for_validation_are_refused_where_it_is_trained_on(
    dataset: Dataset, tmp_path: Path
) -> None:
    recipes = [recipe("fine"), recipe("waiting", schedule="plateau")]
    plan, folder = Plan(uses_val=True), tmp_path / "ensemble"

    with pytest.raises(UserError, match=r"^waiting: --train-on-val: the schedule plateau"):
        make_ensemble(recipes, dataset, folder, plan=plan, device="cpu", is_quiet=True)
    assert not folder.exists()
