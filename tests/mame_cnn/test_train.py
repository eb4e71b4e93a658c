"""The command that trains one configuration, on digits at toy size."""

import csv
import errno
import json
import math
import shutil
import tempfile
import tomllib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from commands.errors import UserError, exit_status
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import load_dataset
from mame_cnn.inputs.device_data import DeviceSplit, to_device
from mame_cnn.precision import choose_precision
from mame_cnn.runs.final_training import train_to_the_end
from mame_cnn.runs.run_folder import numbered, place_run, unfinished_run
from mame_cnn.train import main

CPU = torch.device("cpu")
SMALL: dict[str, Value] = {
    "depth": 2,
    "width": 4,
    "pool_size": 4,
    "dense_width": 16,
    "batch_size": 64,
    "lr": 0.01,
}


def write(path: Path, *, epochs: int = 3, **params: Value) -> Path:
    config = config_from_params(
        {**SMALL, **params}, source="digits", image_size=32, epochs=epochs, seed=1, data_seed=0
    )
    write_config(path, config, {"study": "toy", "value": 0.5, "data_digest": "0123456789ab"})
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    config = write(folder / "best.toml", epochs=4)
    assert main([str(config), "--quiet", "--device", "cpu"]) == 0
    return folder / "runs" / "best-01"


def test_a_run_leaves_all_that_it_promises(run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == [
        "classification_report.csv",
        "config.toml",
        "confusion_matrix.csv",
        "metrics.csv",
        "val_probabilities.csv",
        "weights.safetensors",
    ]


def test_the_weights_are_those_of_the_best_epoch(run: Path) -> None:
    metrics = pd.read_csv(run / "metrics.csv")
    assert list(metrics["epoch"]) == [1, 2, 3, 4]
    config, _ = read_config(run / "config.toml")
    data = to_device(load_dataset("digits"), CPU, precision=choose_precision("auto", CPU))
    cohort = Cohort([config], [0], data)
    cohort.network.load_member_state(0, load_file(run / "weights.safetensors"))
    predicted = cohort.logits(data.val)[0].argmax(-1)
    accuracy = (predicted == data.val.labels).double().mean().item()
    assert accuracy == pytest.approx(metrics["val_accuracy"].max(), abs=1e-9)


def test_probabilities_report_and_confusions_agree_with_scikit_learn(run: Path) -> None:
    probabilities = pd.read_csv(run / "val_probabilities.csv", dtype={"label": str})
    classes = [column.removeprefix("prob ") for column in probabilities.columns[2:]]
    probs = probabilities.iloc[:, 2:].to_numpy()
    predicted = [classes[k] for k in probs.argmax(1)]
    labels = list(probabilities["label"])
    assert probs.sum(1) == pytest.approx(np.ones(len(probs)), abs=1e-5)
    best = pd.read_csv(run / "metrics.csv")["val_accuracy"].max()
    assert accuracy_score(labels, predicted) == pytest.approx(best, abs=1e-9)
    report = pd.read_csv(run / "classification_report.csv", index_col="class")
    macro = f1_score(labels, predicted, average="macro", zero_division=0)
    assert report.loc["macro mean", "f1"] == pytest.approx(macro)
    assert report.loc[classes, "support"].sum() == len(labels)
    confusions = pd.read_csv(run / "confusion_matrix.csv", index_col="true")
    assert (confusions.to_numpy() == confusion_matrix(labels, predicted, labels=classes)).all()


def test_the_weights_file_says_what_it_needs_to_be_used(run: Path) -> None:
    dataset = load_dataset("digits")
    with safe_open(run / "weights.safetensors", framework="pt") as weights:
        identity = {name: json.loads(value) for name, value in weights.metadata().items()}
    assert identity["classes"] == list(dataset.classes)
    assert identity["mean"] == pytest.approx(dataset.mean)
    assert identity["data_digest"] == dataset.digest


def test_the_run_keeps_where_its_configuration_came_from(run: Path) -> None:
    provenance = tomllib.loads((run / "config.toml").read_text())["provenance"]
    assert (provenance["study"], provenance["data_digest"]) == ("toy", "0123456789ab")
    assert provenance["training"]["data_digest"] == load_dataset("digits").digest
    assert provenance["training"]["environment"]["torch"] == torch.__version__


def test_the_same_command_again_writes_beside_and_gives_the_same_numbers(run: Path) -> None:
    folder = run.parents[1]
    assert main([str(folder / "best.toml"), "--quiet", "--device", "cpu"]) == 0
    again = run.with_name("best-02")
    figures = ["train_loss", "val_loss", "val_accuracy"]
    first, second = (pd.read_csv(path / "metrics.csv")[figures] for path in (run, again))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    shutil.rmtree(again)


def test_data_other_than_the_search_had_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path / "best.toml", epochs=1)
    assert main([str(config), "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "found on data 0123456789ab" in printed
    assert "in the search, on other data, it had 50.0%" in printed
    assert "gap" not in printed


def test_several_seeds_train_different_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path / "best.toml", epochs=1)
    out = tmp_path / "out"
    command = [str(config), "--seeds", "2", "--device", "cpu", "--out", str(out)]
    assert main(command) == 0
    assert "2 seeds: validation accuracy" in capsys.readouterr().out
    first, second = (read_config(out / f"seed-0{n}" / "config.toml")[0] for n in (1, 2))
    assert first.seed != second.seed
    assert first.model_copy(update={"seed": 0}) == second.model_copy(update={"seed": 0})


def test_early_stopping_ends_before_the_budget(tmp_path: Path) -> None:
    # A learning rate at which nothing is learnt: no progress after the first epochs.
    config = write(
        tmp_path / "flat.toml", epochs=30, lr=1e-12, patience_epochs=2, batch_norm="none"
    )
    out = tmp_path / "out"
    assert main([str(config), "--quiet", "--device", "cpu", "--out", str(out)]) == 0
    with (out / "metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) < 30


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--device", "tpu"], "--device tpu"),
        (["--device", "cuda:99"], "CUDA devices"),
        (["--data", "no/such/folder"], "no/such/folder"),
    ],
)
def test_mistakes_are_said_before_anything_is_written(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    config = write(tmp_path / "best.toml")
    with pytest.raises(UserError, match=expected):
        main([str(config), *arguments])
    assert list(tmp_path.iterdir()) == [config]


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path: Path) -> None:
    config = write(tmp_path / "best.toml")
    with pytest.raises(UserError, match="nothing is overwritten"):
        main([str(config), "--out", str(tmp_path)])


def test_divergence_from_the_first_epoch_is_said(tmp_path: Path) -> None:
    config = write(tmp_path / "wild.toml", optimizer="sgd", lr=1e30)
    with pytest.raises(UserError, match="lower the learning rate"):
        main([str(config), "--quiet", "--device", "cpu"])
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_best_epoch_is_never_one_that_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch = Cohort.train_epoch

    def diverging(cohort: Cohort) -> list[EpochResult]:
        if cohort.progress[0].epoch == 1:
            cohort._flat.weights.fill_(math.nan)
        return train_epoch(cohort)

    monkeypatch.setattr(Cohort, "train_epoch", diverging)
    # A network of NaN answers class 0, which is all of this validation split.
    data = to_device(load_dataset("digits"), CPU, precision=choose_precision("auto", CPU))
    is_zero = data.val.labels == 0
    data = replace(data, val=DeviceSplit(data.val.images[is_zero], data.val.labels[is_zero]))
    config = config_from_params(
        {**SMALL, "lr": 1e-6}, source="digits", image_size=32, epochs=9, seed=5, data_seed=0
    )
    training = train_to_the_end(config, data, lambda result: None)
    assert "no longer finite in epoch 2" in training.stopped_because
    assert training.best.epoch == 1
    assert training.best.val_accuracy < 1
    assert (training.val_probs.argmax(1) == 0).mean() == training.best.val_accuracy


def test_ctrl_c_keeps_the_best_epoch_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = iter(range(3))
    train_epoch = Cohort.train_epoch

    def interrupted(cohort: Cohort) -> list[EpochResult]:
        if next(epochs) == 2:
            raise KeyboardInterrupt
        return train_epoch(cohort)

    monkeypatch.setattr(Cohort, "train_epoch", interrupted)
    out = tmp_path / "out"
    config = write(tmp_path / "best.toml", epochs=99)
    assert main([str(config), "--quiet", "--device", "cpu", "--out", str(out)]) == 130
    assert list(pd.read_csv(out / "metrics.csv")["epoch"]) == [1, 2]
    assert (out / "weights.safetensors").exists()


def test_a_place_that_cannot_be_written_to_shows_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path / "best.toml")
    monkeypatch.setattr(Cohort, "train_epoch", lambda cohort: pytest.fail("trained"))
    status = exit_status(lambda: main([str(config), "--quiet", "--out", str(config / "below")]))
    assert status == 2
    assert "best.toml" in capsys.readouterr().err


def test_what_a_full_disk_has_no_room_for_is_kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    write_bytes = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.is_relative_to(tmp_path / "runs"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    config = write(tmp_path / "best.toml", epochs=1)
    with pytest.raises(UserError, match="No space left on device; the finished run is kept in"):
        main([str(config), "--quiet", "--device", "cpu"])
    assert list((tmp_path / "runs").iterdir()) == []
    [rescued] = elsewhere.iterdir()
    assert load_file(rescued / "weights.safetensors")


def test_two_trainings_of_one_configuration_at_once_leave_two_runs(tmp_path: Path) -> None:
    places = list(islice(numbered(tmp_path, "best"), 3))
    with unfinished_run(tmp_path) as first, unfinished_run(tmp_path) as second:
        for number, folder in enumerate((first, second)):
            (folder / "metrics.csv").write_text(str(number))
        assert place_run(second, numbered(tmp_path, "best")) == places[0]
        assert place_run(first, numbered(tmp_path, "best")) == places[1]
    assert sorted(tmp_path.iterdir()) == places[:2]
    assert [(place / "metrics.csv").read_text() for place in places[:2]] == ["1", "0"]


def test_no_epochs_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exited:
        main([str(write(tmp_path / "best.toml")), "--epochs", "0"])
    assert exited.value.code == 2
