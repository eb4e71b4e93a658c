"""A model that was never trained, in its folder, and data of noise in MAMe's layout."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mame_cnn import evaluate
from mame_cnn.data.load import load_dataset
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.small_models import make_model

CLASSES = ("bronze", "clay")
COUNTS = {
    "train": {"bronze": 4, "clay": 4},
    "val": {"bronze": 6, "clay": 6},
    "test": {"bronze": 3, "clay": 7},
}
FILES = {
    *("metrics.json", "classification_report.csv", "confused_pairs.csv", "museums.csv"),
    *("confusion_matrices.html", "confusion_matrices.png", "probabilities.csv", "model_card.md"),
}
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Factory(tmp_path / "data").mame(COUNTS)


@pytest.fixture
def model(data: Path) -> Model:
    digest = load_dataset(str(data), 8, progress=False).digest
    return replace(make_model(classes=CLASSES), data_digest=digest, data_name="mame")


@pytest.fixture
def run(tmp_path: Path, model: Model) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_model(folder / WEIGHTS, model)
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "studies" / "ledger.jsonl"


@pytest.fixture
def call(data: Path, ledger: Path) -> Run:
    def call(folder: Path, *options: str) -> int:
        fixed = ["--data", str(data), "--ledger", str(ledger), "--device", "cpu"]
        return evaluate.main([str(folder), *fixed, "--precision", "float32", *options])

    return call


def metrics_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content
