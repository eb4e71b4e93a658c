"""Ensembles of networks that see the sizes of photographs beside their pixels."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands.errors import UserError
from mame_cnn import ensemble, evaluate
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config_file import write_config
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.factory import make_config

BLUNT: dict[str, Any] = {"depth": 1, "width": 1, "head": "average", "dense_depth": 0, "lr": 0.1}
"""A network that cannot learn noise by heart."""
FIXED = ["--device", "cpu", "--precision", "float32"]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of noise in three classes, which sizes tell apart."""
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    classes = ("bronze", "clay", "silk")
    counts = {split: dict.fromkeys(classes, 12) for split in ("train", "val")}
    folder = Factory(tmp_path / "data").mame(counts, labels=classes)
    table = folder / "MAMe_metadata" / "MAMe_dataset.csv"
    rows = table.read_text()
    for name, size in {"clay": "300,9000", "silk": "9000,300"}.items():
        rows = rows.replace(f",{name},Louvre,train,3144.0,3840.0", f",{name},Louvre,train,{size}")
        rows = rows.replace(f",{name},Louvre,val,3144.0,3840.0", f",{name},Louvre,val,{size}")
    table.write_text(rows)
    return folder


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a folder of one configuration that sees metadata, and one that does not."""
    folder = tmp_path / "top"
    folder.mkdir()
    write_config(folder / "seeing.toml", make_config(epochs=15, metadata="size", **BLUNT), {})
    write_config(folder / "blunt.toml", make_config(epochs=1, **BLUNT), {})
    return folder


def test_members_are_shown_the_sizes_that_they_were_trained_with(
    told: Path, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes = ["--combiner", "single", "--tta", "flips", "--specialists", "2"]

    assert ensemble.main([str(top), "--data", str(told), *wishes, *FIXED]) == 0
    assert "tell how a museum photographs" in capsys.readouterr().out
    made = top.parent / "ensemble"
    assert evaluate.main([str(made), "--out", str(top.parent / "again"), *FIXED]) == 0

    for folder in (made / "evaluation", top.parent / "again"):
        scores = json.loads((folder / "metrics.json").read_text())["scores"]
        assert scores["accuracy"]["value"] == 1
    assert (made / "specialists" / "general").is_dir()


def test_an_export_of_what_takes_more_than_images_is_refused_before_training(
    told: Path, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cohort, "train_epoch", lambda cohort: pytest.fail("trained"))

    with pytest.raises(UserError, match="--onnx: a network that sees metadata"):
        ensemble.main([str(top), "--data", str(told), "--onnx", *FIXED])
