"""Classifiers on features searched like networks: the seam, and the whole command."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.configuration.pretrained import SeenVal
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import load_dataset
from mame_cnn.features.looker import open_looker
from mame_cnn.features.trainer import FeatureTrainer
from search import export, run
from search.trainer import Trainer
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.features.made_up import CPU, run_of

SPACE = """
from search.space import Choice, Int, Question, Space

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny forests."),
    parameters=(
        Choice("layers", ("all", "last")),
        Int("min_samples_leaf", 1, 20, log=True),
    ),
    fixed={"classifier": "forest", "trees": 5},
    epochs=1,
)
"""


@dataclass(frozen=True)
class Member:
    key: int
    params: dict[str, Value]
    seed: int = 1
    state: bytes | None = None


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    run_of(tmp_path / "run")


@pytest.fixture
def trainer() -> FeatureTrainer:
    dataset = load_dataset("digits", 16)
    return FeatureTrainer(dataset, open_looker("run", CPU), seed=0, progress=False)


def test_it_has_the_shape_of_a_trainer(trainer: FeatureTrainer) -> None:
    seam: Trainer = trainer

    assert seam.epochs == 1
    assert seam.cohort_size({}, 8) == 1
    assert str(seam.objective["looker"]).endswith("run")


def test_a_trial_is_over_after_its_fit_and_leaves_what_it_said(trainer: FeatureTrainer) -> None:
    cohort = trainer.open([Member(7, {"trees": 10})])

    [record] = cohort.train_epoch()

    with np.load(io.BytesIO(cohort.files(7)["val_probabilities.npz"])) as kept:
        probs, labels, epoch = kept["probs"], kept["labels"], kept["epoch"]
    assert (record.key, record.epoch, record.is_finished, record.failure) == (7, 1, True, None)
    assert record.value == pytest.approx((probs.argmax(1) == labels).mean(), abs=0.01)
    assert probs.dtype == np.float16
    assert epoch == 1
    assert record.metrics.keys() == {"train_loss", "train_accuracy", "val_loss"}


def test_a_member_that_goes_on_ends_as_one_that_began(trainer: FeatureTrainer) -> None:
    [first] = trainer.open([Member(0, {"trees": 10})]).train_epoch()
    cohort = trainer.open([Member(1, {"trees": 10}, state=b"")])

    [again] = cohort.train_epoch()

    assert again.value == first.value
    assert cohort.save(1) == b""


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"layers": "block9_conv1"}, "layers: block9_conv1"),
        ({"classifier": "neighbours", "neighbours": 5000}, "of 1197 training images"),
    ],
)
def test_what_cannot_be_fitted_is_known_beforehand(
    trainer: FeatureTrainer, params: dict[str, Any], reason: str
) -> None:
    assert reason in (trainer.infeasible(params) or "")
    assert trainer.infeasible({"layers": "block1_conv1+fc1"}) is None


def test_a_space_of_classifiers_is_searched_and_its_best_trial_fitted_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mame_cnn.features.__main__ import main

    Path("toy.py").write_text(SPACE)
    fixed = ["--data", "digits", "--device", "cpu", "--quiet"]

    assert run.main(["toy.py", "--looker", "run", "--trials", "6", *fixed]) == 0
    told = capsys.readouterr().out
    assert export.main(["toy"]) == 0

    assert "6 complete, 0 pruned, 0 failed" in told
    assert "python -m mame_cnn.features studies/toy/best.toml" in told
    best = Path("studies/toy/best.toml")
    assert "# Train it with: python -m mame_cnn.features studies/toy/best.toml" in best.read_text()
    assert main([str(best), "--device", "cpu"]) == 0
    fitted = capsys.readouterr().out.partition("validation accuracy ")[2].split("%")[0]
    assert f"validation accuracy {fitted} %" in told


def test_a_study_is_continued_with_the_same_network_alone(tmp_path: Path) -> None:
    Path("toy.py").write_text(SPACE)
    fixed = ["--data", "digits", "--device", "cpu", "--quiet"]
    run.main(["toy.py", "--looker", "run", "--trials", "1", *fixed])
    run_of(tmp_path / "other", seed=2)

    with pytest.raises(UserError, match=r"looker: .*run -> .*other"):
        run.main(["toy.py", "--looker", "other", "--trials", "2", *fixed])


def test_options_of_the_other_kind_of_space_are_refused(tmp_path: Path) -> None:
    Path("toy.py").write_text(SPACE)
    networks = SPACE.replace('"layers", ("all", "last")', '"pool", ("max", "average")')
    Path("networks.py").write_text(
        networks.replace('Int("min_samples_leaf", 1, 20, log=True)', 'Int("depth", 1, 2)').replace(
            'fixed={"classifier": "forest", "trees": 5}', "fixed={}"
        )
    )
    fixed = ["--data", "digits", "--device", "cpu", "--quiet"]

    with pytest.raises(UserError, match=r"--looker: networks\.py is no space of classifiers"):
        run.main(["networks.py", "--looker", "run", *fixed])
    with pytest.raises(UserError, match="--epochs 5: a classifier on features is fitted once"):
        run.main(["toy.py", "--looker", "run", "--epochs", "5", *fixed])


def test_a_space_with_a_misspelt_parameter_is_refused_before_any_data_is_read() -> None:
    Path("toy.py").write_text(SPACE.replace("min_samples_leaf", "min_sample_leaf"))

    with pytest.raises(UserError, match="did you mean min_samples_leaf"):
        run.main(["toy.py", "--looker", "nowhere", "--data", "nowhere"])


def test_a_space_that_may_see_metadata_is_searched_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Factory(tmp_path / "data").mame(
        {split: {"bronze": 6, "clay": 6} for split in ("train", "val")}
    )
    Path("toy.py").write_text(
        SPACE.replace('"layers", ("all", "last")', '"metadata", ("none", "size")')
    )

    assert run.main(["toy.py", "--looker", "run", "--trials", "3", "--data", str(folder)]) == 0

    told = capsys.readouterr().out
    assert "tell how a museum photographs" in told
    assert "3 complete" in told


def test_no_search_is_made_with_a_network_that_was_trained_on_its_validation_images() -> None:
    dataset = load_dataset("digits", 16)
    seen = SeenVal(data_name="digits", data_digest=dataset.digest, image_size=16)
    looker = replace(open_looker("run", CPU), seen_val=(seen,))

    with pytest.raises(UserError, match="trained on the validation images of digits"):
        FeatureTrainer(dataset, looker, seed=0)
