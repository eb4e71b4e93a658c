"""Evaluations of ensembles, and of what was trained on validation images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from mame_cnn.data.load import load_dataset, load_test
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import write_ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.scoring.probabilities_file import write_probabilities
from tests.mame_cnn.evaluate.conftest import CLASSES, Run, metrics_of
from tests.mame_cnn.small_models import CPU, make_ensemble, make_model, write_members


@pytest.fixture
def ensemble(tmp_path: Path, model: Model) -> tuple[Path, Ensemble]:
    base = make_ensemble()
    members = tuple(
        replace(
            member,
            model=replace(
                make_model(seed=seed, classes=CLASSES),
                data_digest=model.data_digest,
                data_name="mame",
            ),
        )
        for seed, member in enumerate(base.members)
    )
    made = replace(base, members=members)
    folder = tmp_path / "ensemble"
    write_members(folder, made)
    write_ensemble(folder, made)
    return folder, made


def test_an_ensemble_is_validated_out_of_fold(
    ensemble: tuple[Path, Ensemble], data: Path, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = ensemble
    val = load_dataset(str(data), 8, progress=False).val
    probs = np.random.default_rng(0).dirichlet([1, 1], len(val.labels))
    write_probabilities(folder / "val_probabilities.csv", probs, val.labels, val.names, CLASSES)
    assert call(folder) == 0
    metrics = metrics_of(folder / "evaluation")
    accuracy = accuracy_score(val.labels, probs.argmax(1))
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert set(metrics["members"]) == {"member-1", "member-2"}
    printed = capsys.readouterr().out
    assert "Out of fold" in printed
    assert "member-2" in printed


def test_an_ensemble_without_out_of_fold_probabilities_is_said_to_look_too_good(
    ensemble: tuple[Path, Ensemble], call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(ensemble[0]) == 0
    assert "Too good" in capsys.readouterr().out


def test_an_ensemble_s_test_figures_are_of_its_combination_and_its_members(
    ensemble: tuple[Path, Ensemble], data: Path, ledger: Path, call: Run
) -> None:
    folder, made = ensemble
    assert call(folder, "--test") == 0
    test = load_test(str(data), 8, progress=False)
    expected = made.probs(test.images, CPU)
    table = pd.read_csv(folder / "evaluation-test" / "probabilities.csv")
    assert table.iloc[:, 2:].to_numpy() == pytest.approx(expected)
    entry = json.loads(ledger.read_text())
    assert entry["model"]["kind"] == "ensemble"
    assert len(entry["model"]["weights_digests"]) == 2


def test_validation_images_that_were_trained_on_are_said_to_flatter(
    run: Path, model: Model, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(run / WEIGHTS, replace(model, provenance={"training": {"splits": "train+val"}}))
    assert call(run) == 0
    assert "these images were trained on" in capsys.readouterr().out
