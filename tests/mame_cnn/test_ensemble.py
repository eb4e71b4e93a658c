"""The command that trains members and combines them, on digits at toy size."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from commands.errors import exit_status
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config_file import write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import load_dataset
from mame_cnn.ensemble import main
from mame_cnn.models.answers import OUT_OF_FOLD
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import ENSEMBLE
from mame_cnn.models.opening import open_model
from tests.mame_cnn.factory import plain_of

CPU = torch.device("cpu")
SMALL: dict[str, Value] = {
    "depth": 2,
    "width": 4,
    "pool_size": 4,
    "dense_width": 16,
    "batch_size": 64,
    "lr": 0.01,
}


def write(path: Path, *, image_size: int = 32, epochs: int = 2, **params: Value) -> None:
    config = config_from_params(
        {**SMALL, **params},
        source="digits",
        image_size=image_size,
        epochs=epochs,
        seed=1,
        data_seed=0,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_config(path, config, {"study": "toy", "trial": 3, "value": 0.5, "best_epoch": 2})


def make(folder: Path, *options: str) -> int:
    arguments = [str(folder), "--quiet", "--device", "cpu", "--precision", "float32", *options]
    return exit_status(lambda: main(arguments))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cohort, "train_epoch", lambda cohort: pytest.fail("trained"))


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two configurations, with their ensemble beside it."""
    folder = tmp_path_factory.mktemp("study") / "top"
    write(folder / "01.toml")
    write(folder / "02.toml", width=6)
    assert make(folder, "--seeds", "2") == 0
    return folder


@pytest.fixture
def copy(top: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    shutil.copytree(top.parent, tmp_path / "study")
    return tmp_path / "study" / "top"


def test_each_configuration_is_trained_with_each_seed(top: Path) -> None:
    ensemble = open_model(top.parent / "ensemble")
    assert isinstance(ensemble, Ensemble)
    names = [member.name for member in ensemble.members]
    assert names == ["01-seed-1", "01-seed-2", "02-seed-1", "02-seed-2"]
    assert len({member.model.config.seed for member in ensemble.members}) == 2
    widths = [plain_of(member.model.config).blocks[0].width for member in ensemble.members]
    assert widths == [4, 4, 6, 6]


def test_the_folder_has_members_weights_metrics_and_pictures(top: Path) -> None:
    folder = top.parent / "ensemble"
    for name in (ENSEMBLE, OUT_OF_FOLD, "combiners.csv", "members.csv"):
        assert (folder / name).is_file()
    for name in ("metrics.json", "confusion_matrices.png", "model_card.md"):
        assert (folder / "evaluation" / name).is_file()
    for member in ("01-seed-1", "02-seed-2"):
        assert (folder / "members" / member / "weights.safetensors").is_file()
    assert not list(folder.glob(".unfinished*"))


def test_the_combiner_that_wins_out_of_fold_is_used(top: Path) -> None:
    folder = top.parent / "ensemble"
    rows = pd.read_csv(folder / "combiners.csv").set_index("name")
    content = tomllib.loads((folder / ENSEMBLE).read_text())
    name = content["combination"]["name"]
    assert rows.loc[name, "accuracy"] == rows["accuracy"].max()
    assert content["out_of_fold"]["accuracy"] == pytest.approx(rows.loc[name, "accuracy"])
    assert set(rows.index) == {"single", "mean", "geometric", "greedy", "ridge", "logistic"}


def test_the_kept_probabilities_are_not_those_of_the_fit(top: Path) -> None:
    folder = top.parent / "ensemble"
    dataset = load_dataset("digits")
    kept = pd.read_csv(folder / OUT_OF_FOLD, dtype={"image": str})
    assert list(kept["image"]) == list(dataset.val.names)
    probs = kept.filter(like="prob ").to_numpy()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-6)
    measured = json.loads((folder / "evaluation" / "metrics.json").read_text())
    accuracy = (probs.argmax(1) == dataset.val.labels).mean()
    assert measured["scores"]["accuracy"]["value"] == pytest.approx(accuracy)


def test_the_gap_between_search_and_training_is_told(
    copy: Path, capsys: pytest.CaptureFixture[str], no_training: None
) -> None:
    assert main([str(copy), "--seeds", "2", "--device", "cpu", "--precision", "float32"]) == 0
    told = capsys.readouterr().out
    members = pd.read_csv(copy.parent / "ensemble" / "members.csv")
    gap = 100 * (members["trained"][:2].mean() - 0.5)
    assert f"searched 50.0%, gap {gap:+.1f} points" in told
    assert "4 of 4 members are trained already" in told


def test_members_trained_already_are_not_trained_again(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.parent.glob("*/members/*/weights*")}
    assert make(copy, "--seeds", "3") == 0
    after = {path: path.stat().st_mtime_ns for path in copy.parent.glob("*/members/*/weights*")}
    assert len(after) == 6
    assert before.items() <= after.items()


def test_a_member_cut_in_half_is_told_and_trained_again(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = copy.parent / "ensemble" / "members" / "01-seed-2" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    assert main([str(copy), "--seeds", "2", "--device", "cpu", "--precision", "float32"]) == 0
    assert "01-seed-2" in capsys.readouterr().out
    ensemble = open_model(copy.parent / "ensemble")
    assert isinstance(ensemble, Ensemble)
    assert [member.name for member in ensemble.members][:2] == ["01-seed-1", "01-seed-2-again-01"]


def test_members_of_other_epochs_are_other_members(copy: Path) -> None:
    assert make(copy, "--epochs", "1") == 0
    ensemble = open_model(copy.parent / "ensemble")
    assert isinstance(ensemble, Ensemble)
    assert [member.model.config.training.epochs for member in ensemble.members] == [1, 1]


def test_seeds_train_as_one_cohort_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, train_epoch = [], Cohort.train_epoch

    def noted(cohort: Cohort) -> list[EpochResult]:
        sizes.append(len(cohort.keys))
        return train_epoch(cohort)

    monkeypatch.setattr(Cohort, "train_epoch", noted)
    write(tmp_path / "top" / "01.toml", epochs=1)
    assert make(tmp_path / "top", "--seeds", "3", "--cohort", "8") == 0
    assert sizes == [3]


def test_with_validation_trained_on_members_are_chosen_without_it(
    copy: Path,
) -> None:
    assert make(copy, "--seeds", "2", "--train-on-val") == 0
    ensemble = open_model(copy.parent / "ensemble")
    assert isinstance(ensemble, Ensemble)
    chosen = pd.read_csv(copy.parent / "ensemble" / "members.csv")
    for member, best_epoch in zip(ensemble.members, chosen["best_epoch"], strict=True):
        model = member.model
        assert model.provenance["training"]["splits"] == "train+val"
        assert model.metrics["best_epoch"] == model.metrics["epochs"] == best_epoch
        assert "val_accuracy" not in model.metrics


def test_specialists_are_trained_within_groups_and_kept_only_if_they_win(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seeds", "2", "--device", "cpu", "--precision", "float32"]
    assert main([str(copy), *options, "--specialists", "4"]) == 0
    told = capsys.readouterr().out
    folder = copy.parent / "ensemble"
    ensemble = open_model(folder)
    assert isinstance(ensemble, Ensemble)
    groups = sorted((folder / "specialists").iterdir())
    assert "general" in [path.name for path in groups]
    with safe_open(folder / "specialists" / "general" / "weights.safetensors", "pt") as file:
        names = json.loads(file.metadata()["classes"])
    assert sorted(name for group in names for name in group.split(" + ")) == [*"0123456789"]
    assert (ensemble.specialists is not None) == ("points: kept" in told)


def test_ctrl_c_keeps_the_members_that_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_epoch, calls = Cohort.train_epoch, []

    def interrupted(cohort: Cohort) -> list[EpochResult]:
        calls.append(cohort)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train_epoch(cohort)

    write(tmp_path / "top" / "01.toml")
    write(tmp_path / "top" / "02.toml", width=6)
    with monkeypatch.context() as patched:
        patched.setattr(Cohort, "train_epoch", interrupted)
        assert make(tmp_path / "top") == 130
    members = tmp_path / "ensemble" / "members"
    assert [path.name for path in members.iterdir()] == ["01-seed-1"]
    assert make(tmp_path / "top") == 0
    assert sorted(path.name for path in members.iterdir()) == ["01-seed-1", "02-seed-1"]


@pytest.mark.usefixtures("no_training")
def test_bad_input_is_refused_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    write(tmp_path / "sizes" / "01.toml")
    write(tmp_path / "sizes" / "02.toml", image_size=16)
    write(tmp_path / "broken" / "01.toml")
    (tmp_path / "broken" / "02.toml").write_text("epochs = ")
    (tmp_path / "broken" / "03.toml").write_text("seed = 'x'")
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.md").write_text("not to be lost")
    cases = {
        str(empty): ["no .toml file"],
        str(tmp_path / "sizes"): ["01 32", "02 16"],
        str(tmp_path / "broken"): ["02.toml", "03.toml"],
        str(tmp_path / "nowhere.toml"): ["no such file"],
    }
    for folder, expected in cases.items():
        assert make(Path(folder)) == 2
        told = capsys.readouterr().err
        for text in expected:
            assert text in told
    write(tmp_path / "fine" / "01.toml")
    assert make(tmp_path / "fine", "--out", str(foreign)) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert [path.name for path in foreign.iterdir()] == ["chapter.md"]


def test_optuna_is_not_needed(tmp_path: Path) -> None:
    write(tmp_path / "top" / "01.toml", epochs=1)
    program = (
        "import sys; sys.modules['optuna'] = None\n"
        "from mame_cnn.ensemble import main\n"
        "raise SystemExit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "top"), "--quiet", "--device", "cpu"]
    subprocess.run(command, check=True)
    assert (tmp_path / "ensemble" / ENSEMBLE).is_file()
