import os
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search.doctor.__main__ import main
from search.files.checkpoints import Checkpoint, Checkpoints, config_digest, files
from search.hosts import owner
from search.studies.study import OpenStudy
from search.trainer import Member
from search.trials.reading import CONFIG, INTERRUPTED, OWNER, PLACE, SEED
from search.trials.records import PlainRecord
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched

CONFIGURATION = {"network": {"depth": 2}}
STATE = b"weights"


def _doctor(folder: Path, *more: str) -> int:
    storage = str(folder / "journal.log")
    return main(["--storage", storage, "--artifacts", str(folder / "a"), *more])


def _begun(opened: OpenStudy, place: int) -> int:
    """Begin a trial of this process; return its number."""
    trial = opened.study.ask()
    attributes = {
        OWNER: owner.this_process(),
        PLACE: place,
        CONFIG: CONFIGURATION,
        SEED: 0,
    }
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    return trial.number


def _keep(folder: Path, opened: OpenStudy, place: int, epoch: int) -> Path:
    checkpoints = Checkpoints(folder / "a")
    record = PlainRecord(0, epoch, 0.5, 1000.0)
    kept = Checkpoint(0, epoch, config_digest(CONFIGURATION), (record,), STATE)
    checkpoints.keep(opened.study, place, kept)
    path = next(files(checkpoints.folder_of(opened.study, place)))
    assert isinstance(path, Path)
    return path


def _picture(member: Member) -> Mapping[str, bytes]:
    return {"curves.png": b"PNG"}


def _old(path: Path) -> None:
    os.utime(path, (0, 0))


def test_checkpoints_of_trials_that_run_or_go_on_are_kept(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    _begun(opened, 0)
    stopped = _begun(opened, 1)
    kept = [_keep(tmp_path, opened, place, 1) for place in (0, 1)]
    [trial_id] = [t._trial_id for t in opened.study.trials if t.number == stopped]
    opened.place.storage.set_trial_user_attr(trial_id, INTERRUPTED, "Ctrl-C")
    opened.study.tell(stopped, state=TrialState.FAIL)
    assert _doctor(tmp_path, "--fix") == 0
    assert all(path.exists() for path in kept)


def test_checkpoints_of_trials_that_have_ended_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = opened_in(tmp_path)
    opened.study.tell(_begun(opened, 0), 0.5)
    path = _keep(tmp_path, opened, 0, 1)
    assert _doctor(tmp_path) == 1
    assert f"{path.parent}: checkpoints of a trial that has ended" in capsys.readouterr().out
    assert path.exists()
    assert _doctor(tmp_path, "--fix") == 0
    assert not path.exists()
    assert _doctor(tmp_path) == 0


def test_a_damaged_checkpoint_leaves_the_one_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = opened_in(tmp_path)
    _begun(opened, 0)
    before, last = _keep(tmp_path, opened, 0, 1), _keep(tmp_path, opened, 0, 2)
    last.write_bytes(last.read_bytes()[:-1])
    assert _doctor(tmp_path, "--fix") == 0
    assert "is cut short" in capsys.readouterr().out
    assert (before.exists(), last.exists()) == (True, False)


def test_a_checkpoint_of_another_configuration_is_removed(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    _begun(opened, 0)
    path = _keep(tmp_path, opened, 0, 1)
    opened.study._storage.set_trial_user_attr(0, CONFIG, {"network": {"depth": 3}})
    assert _doctor(tmp_path, "--fix") == 0
    assert not path.exists()


def test_what_a_dying_process_was_writing_is_removed_once_it_is_old(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    _begun(opened, 0)
    folder = _keep(tmp_path, opened, 0, 1).parent
    (folder / ".tmpabc").write_bytes(b"half")
    (tmp_path / "a" / ".abcdefgh").mkdir()
    assert _doctor(tmp_path, "--fix") == 0
    left = [folder / ".tmpabc", tmp_path / "a" / ".abcdefgh"]
    assert all(path.exists() for path in left)
    for path in left:
        _old(path)
    assert _doctor(tmp_path) == 1
    assert _doctor(tmp_path, "--fix") == 0
    assert not any(path.exists() for path in left)


def test_checkpoints_of_a_study_that_is_gone_are_moved_aside(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    _begun(opened, 0)
    path = _keep(tmp_path, opened, 0, 1)
    optuna.delete_study(study_name="small", storage=opened.place.storage)
    assert _doctor(tmp_path, "--fix") == 0
    assert not path.exists()
    [aside] = (tmp_path / "a").glob("orphans-*")
    assert (aside / path.relative_to(tmp_path / "a")).exists()
    assert _doctor(tmp_path) == 0


def test_artifacts_that_nothing_mentions_are_moved_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 2, trainer=FakeTrainer(files=_picture), artifacts=tmp_path / "a")
    kept = set(os.listdir(tmp_path / "a"))
    orphan = tmp_path / "a" / "00000000-0000-0000-0000-000000000000"
    own = tmp_path / "a" / "my notes.txt"
    for path in (orphan, own):
        path.write_bytes(b"text")
    assert _doctor(tmp_path) == 1
    assert f"{orphan}: an artifact that no study or trial mentions" in capsys.readouterr().out
    assert _doctor(tmp_path, "--fix") == 0
    assert not orphan.exists()
    assert own.exists()
    assert kept <= set(os.listdir(tmp_path / "a"))
    [aside] = (tmp_path / "a").glob("orphans-*")
    assert (aside / orphan.name).read_bytes() == b"text"


def test_files_of_another_journal_in_the_same_folder_are_not_orphans(tmp_path: Path) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(files=_picture), artifacts=tmp_path / "a")
    other = opened_in(tmp_path)
    _begun(other, 1)
    _keep(tmp_path, other, 1, 1)
    before = sorted(tmp_path.glob("a/**/*"))
    (tmp_path / "journal.log").rename(tmp_path / "another.log")
    opened_in(tmp_path, name="mine")
    assert _doctor(tmp_path, "--fix") == 0
    assert sorted(tmp_path.glob("a/**/*")) == before


def test_artifacts_that_are_gone_are_said_but_are_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 2, trainer=FakeTrainer(files=_picture), artifacts=tmp_path / "a")
    for path in (tmp_path / "a").iterdir():
        if path.is_file():
            path.unlink()
    assert _doctor(tmp_path) == 0
    assert "note: study small: files of trial 0, trial 1 are not in" in capsys.readouterr().out
