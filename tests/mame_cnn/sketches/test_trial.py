import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mame_cnn.cohorts.val_probabilities import FILE
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import load_dataset
from mame_cnn.inputs.device_data import to_device
from mame_cnn.sketches.confusion import MOST_CLASSES
from mame_cnn.sketches.trial import CONFUSION, CURVES, MISTAKES, trial_pictures
from mame_cnn.trials.trial_cohort import Member, TrialCohort
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.sketches.made_up import epochs

DATA = make_data(n_train=40, n_val=30)
CLASSES = ("bronze", "clay", "oil")
PICTURES = {CURVES, CONFUSION, MISTAKES}


@dataclass(frozen=True)
class Trial:
    key: int
    params: dict[str, Value] = field(default_factory=dict)
    seed: int = 0
    state: bytes | None = None


def config_of(trial: Member) -> Config:
    params: dict[str, Any] = dict(trial.params)
    return make_config(seed=trial.key, epochs=6, **params)


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def test_members_leave_pictures_where_classes_have_names() -> None:
    cohort = TrialCohort([Trial(0), Trial(1)], config_of, DATA, CLASSES)
    cohort.train_epoch()
    cohort.train_epoch()
    for key in (0, 1):
        files = cohort.files(key)
        assert files.keys() == {FILE, *PICTURES}
        assert all(opened(files[name]).format == "PNG" for name in PICTURES)
    cohort.drop({0})
    assert cohort.files(0) == {}
    assert cohort.files(1).keys() == {FILE, *PICTURES}


def test_a_picture_shows_a_members_own_epochs_alone() -> None:
    together = TrialCohort([Trial(0)], config_of, DATA, CLASSES)
    together.train_epoch()
    together.admit([Trial(1)])
    alone = TrialCohort([Trial(1)], config_of, DATA, CLASSES)
    for _ in range(3):
        together.train_epoch()
        alone.train_epoch()
    assert together.files(1)[CURVES] == alone.files(1)[CURVES]
    assert together.files(0)[CURVES] != together.files(1)[CURVES]


def test_only_the_images_that_are_shown_are_asked_for() -> None:
    asked = []

    def images_at(indices: np.ndarray) -> np.ndarray:
        asked.append(indices.tolist())
        return np.zeros((len(indices), 8, 8, 3), dtype=np.uint8)

    probs = np.eye(3, dtype=np.float16)[[0, 1, 2, 0]]
    trial_pictures(epochs([0.5]), probs, np.array([0, 1, 1, 0]), CLASSES, images_at)
    assert asked == [[2]]


def test_a_confusion_matrix_of_very_many_classes_is_not_drawn() -> None:
    n = MOST_CLASSES + 1
    names = [str(number) for number in range(n)]
    probs = np.full((2, n), 1 / n, dtype=np.float16)

    def images_at(indices: np.ndarray) -> np.ndarray:
        return np.zeros((len(indices), 8, 8, 3), dtype=np.uint8)

    pictures = trial_pictures(epochs([0.5]), probs, np.array([0, n - 1]), names, images_at)
    assert pictures.keys() == {CURVES, MISTAKES}


@pytest.mark.gpu
def test_images_on_a_gpu_are_shown_too() -> None:
    digits = load_dataset("digits", 8)
    data = to_device(digits, torch.device("cuda"))
    assert data.val.images.is_cuda
    cohort = TrialCohort([Trial(0)], config_of, data, digits.classes)
    cohort.train_epoch()
    assert cohort.files(0).keys() == {FILE, *PICTURES}
