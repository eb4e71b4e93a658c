import os
import re
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from commands.errors import UserError
from search.doctor import dead_trials
from search.doctor.__main__ import Visit, main
from search.hosts.owner import this_process
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import LOST, OWNER
from tests.search.doctor.journals import index, lines, trials, write, written
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched


def _doctor(path: Path, *more: str) -> int:
    artifacts = path.parent / "artifacts"
    return main(["--storage", str(path), "--artifacts", str(artifacts), *more])


def _state(folder: Path) -> dict[Path, tuple[int, int, int]]:
    status = {path: path.stat() for path in folder.rglob("*")}
    return {path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in status.items()}


def _cut(path: Path) -> None:
    """Cut the journal in the middle of a report, as a torn write does."""
    content = lines(path)
    at = index(path, op_code=7)
    write(path, [*content[:at], content[at][:40], *content[at + 1 :]])


def test_a_healthy_storage_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    for more in ([], ["--fix"]):
        assert _doctor(path, *more) == 0
        printed = capsys.readouterr().out
        assert "2 studies, 6 trials" in printed
        assert printed.endswith("healthy\n")
    assert path.read_bytes() == before


def test_without_fix_it_says_what_it_would_do_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    _cut(path)
    before = _state(tmp_path)
    assert _doctor(path) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^line \d+: is no JSON: 40 bytes, began \{\"op_code\":7,", printed, re.M)
    assert "would be written anew, with the whole record in it" in printed
    assert f"python -m search.doctor --storage {path} " in printed
    assert _state(tmp_path) == before


def test_with_fix_it_repairs_and_the_study_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    _cut(path)
    with pytest.raises(UserError, match=r"line \d+ is no JSON"):
        searched(tmp_path, 4, trainer=FakeTrainer(epochs=2))
    assert _doctor(path, "--fix") == 0
    assert "journal.log.backup-" in capsys.readouterr().out
    searched(tmp_path, 4, trainer=FakeTrainer(epochs=2))
    assert [trial.state for trial in trials(path)] == [TrialState.COMPLETE] * 4
    assert _doctor(path) == 0


def test_what_others_write_after_the_examination_is_seen(tmp_path: Path) -> None:
    path = written(tmp_path)
    place = Visit(fix=False).journal(path, str(path))
    assert place is not None
    opened_in(tmp_path, trainer=FakeTrainer(epochs=2)).study.ask()
    assert len(load_study(place, "small").trials) == 4


def test_names_from_a_stranger_do_not_reach_the_terminal_as_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = open_storage(str(tmp_path / "journal.log"))
    study = optuna.create_study(storage=place.storage, study_name="\x1b[31mred\r")
    for name, value in {"space": {}, "space_digest": "", "data": {}, "objective": {}}.items():
        study.set_user_attr(name, value)
    assert _doctor(tmp_path / "journal.log") == 1
    assert "study \\x1b[31mred\\r: " in (printed := capsys.readouterr().out)
    assert "\x1b" not in printed


def test_a_journal_that_a_living_process_works_on_is_not_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    opened = opened_in(tmp_path, trainer=FakeTrainer(epochs=2))
    opened.study.ask().set_user_attr(OWNER, this_process())
    _cut(path)
    before = path.read_bytes()
    assert _doctor(path, "--fix") == 1
    assert f"process {os.getpid()} on " in (printed := capsys.readouterr().out)
    assert "trial 3 of study small" in printed
    assert path.read_bytes() == before


def test_processes_of_other_hosts_that_have_long_been_silent_are_no_hindrance(
    tmp_path: Path,
) -> None:
    path = written(tmp_path)
    opened = opened_in(tmp_path, trainer=FakeTrainer(epochs=2))
    opened.study.ask().set_user_attr(OWNER, this_process() | {"host": "elsewhere"})
    _cut(path)
    assert _doctor(path, "--fix") == 1
    os.utime(path, (0, 0))
    assert _doctor(path, "--fix") == 0


def test_dead_trials_are_closed_to_be_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    opened = opened_in(tmp_path, trainer=FakeTrainer(epochs=2))
    opened.study.ask().set_user_attr(OWNER, this_process() | {"started": "before"})
    opened.study.ask()
    assert _doctor(path) == 1
    printed = capsys.readouterr().out
    assert "study small: trial 3, 4: running, but the process has died" in printed
    assert trials(path)[3].state == TrialState.RUNNING
    assert _doctor(path, "--fix") == 0
    assert [trial.state for trial in trials(path)[3:]] == [TrialState.FAIL] * 2
    assert all(LOST in trial.user_attrs for trial in trials(path)[3:])


def test_trials_of_a_study_that_was_begun_elsewhere_are_left_alone(tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "journal.log"))
    study = optuna.create_study(storage=place.storage, study_name="theirs")
    study.ask()
    assert list(dead_trials.dead_trials(place, study)) == []
    assert _doctor(tmp_path / "journal.log", "--fix") == 0


def test_a_database_is_examined_but_for_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/studies.db"
    place = open_storage(address)
    optuna.create_study(storage=place.storage, study_name="theirs")
    Path("a").mkdir()
    orphan = Path("a") / "00000000-0000-0000-0000-000000000000"
    orphan.write_bytes(b"")
    assert main(["--storage", address, "--artifacts", "a"]) == 1
    assert "no study or trial mentions" in capsys.readouterr().out
    assert main(["--storage", address, "--artifacts", "a", "--fix"]) == 0
    assert not orphan.exists()
    place.close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.log", "no such file"), ("thesis.txt", "no journal"), (".", "folder")],
)
def test_what_is_no_journal_is_a_mistake(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("In this thesis\n")
    with pytest.raises(UserError, match=reason):
        _doctor(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["thesis.txt"]


def test_a_journal_whose_beginning_is_gone_is_one_all_the_same(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = lines(path)
    write(path, [b"\0" * len(content[0]) + b"\n", *content[1:]])
    assert _doctor(path, "--fix") == 0
    shutil.copy(path, tmp_path / "copy.log")
    assert _doctor(path) == 0
