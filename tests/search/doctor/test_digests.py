from pathlib import Path

import pytest

from search.doctor.__main__ import main
from search.storages.storage import open_storage
from search.studies import pins
from search.studies.loading import load_study
from search.trials.reading import CONFIG, CONTINUES
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.small_studies import opened_in, searched


def _printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    status = main(["--storage", str(folder / "journal.log"), "--artifacts", str(folder), "--fix"])
    assert status == 1
    return capsys.readouterr().out


def test_a_space_that_has_changed_since_it_was_pinned_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = opened_in(tmp_path).study
    changed = SPACE.to_json() | {"fixed": {"batch_size": 64}}
    study.set_user_attr(pins.SPACE, changed)
    printed = _printed(tmp_path, capsys)
    assert "study small: its space has another digest than it is pinned to" in printed
    assert "nothing can be done about it here" in printed
    study.set_user_attr(pins.SPACE, SPACE.to_json())
    assert main(["--storage", str(tmp_path / "journal.log"), "--artifacts", str(tmp_path)]) == 0


def test_a_trial_that_goes_on_with_another_configuration_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(epochs=2))
    place = open_storage(str(tmp_path / "journal.log"))
    study = load_study(place, "small")
    first = study.trials[0]
    attrs = first.user_attrs | {CONTINUES: 0, CONFIG: {"network": {}}}
    study.enqueue_trial(first.params, user_attrs=attrs)
    assert "trial 1: goes on for trial 0 with another config" in _printed(tmp_path, capsys)


def test_the_data_of_a_study_needs_its_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened_in(tmp_path).study.set_user_attr(pins.DATA, {"name": "digits"})
    assert "study small: the digest of its data is gone" in _printed(tmp_path, capsys)
