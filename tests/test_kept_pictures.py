"""The pictures that the one half of the house makes, and the other keeps and shows."""

import errno
from collections.abc import Mapping
from pathlib import Path

import pytest
from optuna.study import Study
from optuna.trial import Trial

from mame_cnn.data import sheets
from mame_cnn.data.digits import load
from mame_cnn.sketches import trial
from search import run
from search.files.artifacts import Artifacts
from search.notebook import pictures
from search.report.data import SHEETS
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import ARTIFACTS

SPACE = """
from search.space import Float, Question, Space

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny networks."),
    parameters=(Float("lr", 1e-3, 1e-1, log=True),),
    fixed={"depth": 1, "width": 2, "pool_size": 8, "dense_width": 8, "batch_size": 128},
    epochs=1,
)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a toy space in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.py").write_text(SPACE)
    return tmp_path


def search(total: int) -> Study:
    options = ("--data", "digits", "--device", "cpu", "--quiet")
    assert run.main(["toy.py", "--trials", str(total), *options]) == 0
    return load_study(open_storage(), "toy")


def test_both_halves_call_the_pictures_by_the_same_names() -> None:
    assert set(SHEETS) == {sheets.SHEET, sheets.MEANS}
    assert set(pictures.FILES) == {trial.CURVES, trial.CONFUSION}


def test_a_study_keeps_sheets_of_its_data_and_how_many_images_there_are(home: Path) -> None:
    study = search(1)
    artifacts, digits = Artifacts(home / "studies" / "artifacts"), load(32)
    for name, content in sheets.dataset_sheets(digits).items():
        assert artifacts.read(study, name) == content
    counts = study.user_attrs["data"]["counts"]
    assert {name: sum(found) for name, found in counts.items()} == {"train": 1197, "val": 300}
    assert counts["train"][3] == (digits.train.labels == 3).sum()


@pytest.mark.usefixtures("home")
def test_a_study_that_is_continued_keeps_the_sheets_it_was_begun_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = search(1).user_attrs[ARTIFACTS]

    def fail(dataset: object) -> None:
        raise AssertionError

    monkeypatch.setattr("mame_cnn.data.sheets.dataset_sheets", fail)
    assert search(2).user_attrs[ARTIFACTS] == ids


@pytest.mark.usefixtures("home")
def test_a_disk_without_room_for_the_sheets_stops_no_search(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = Artifacts.keep

    def fail(self: Artifacts, owner: Study | Trial, files: Mapping[str, bytes]) -> None:
        if isinstance(owner, Study):
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(self, owner, files)

    monkeypatch.setattr(Artifacts, "keep", fail)
    study = search(1)
    assert len(study.get_trials()) == 1
    assert ARTIFACTS not in study.user_attrs
    expected = "No space left on device: pictures of the data are not kept"
    assert expected in capsys.readouterr().err
