import os
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from commands.errors import UserError
from search.storages import journal as journal_module
from search.storages.journal import Journal, is_journal


def _study(path: Path) -> optuna.Study:
    return optuna.create_study(
        storage=JournalStorage(Journal(path)), study_name="s", load_if_exists=True
    )


def test_any_optuna_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = _study(path)
    study.tell(study.ask(), 0.5)
    theirs = JournalStorage(JournalFileBackend(str(path)))
    assert optuna.load_study(storage=theirs, study_name="s").best_value == 0.5


@pytest.mark.parametrize("n_bytes", [1, 20])
def test_half_a_record_of_a_writer_that_died_is_cut_off(n_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = _study(path)
    study.set_user_attr("kept", 1)
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"worker_id":"a"'[:n_bytes])
    study.set_user_attr("later", 2)
    assert _study(path).user_attrs == {"kept": 1, "later": 2}


def test_a_write_that_fails_halfway_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.log"
    study = _study(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            study.set_user_attr("lost", 1)
    assert path.read_bytes() == before
    study.set_user_attr("kept", 2)
    assert _study(path).user_attrs == {"kept": 2}


def test_only_what_begins_or_ends_a_trial_is_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    study = _study(tmp_path / "journal.log")
    monkeypatch.setattr(os, "fsync", forced.append)
    trial = study.ask()
    assert len(forced) == 1
    trial.suggest_float("lr", 0.0, 1.0)
    trial.set_user_attr("seed", 3)
    trial.report(0.5, step=1)
    assert len(forced) == 1
    study.tell(trial, 0.5)
    study.set_user_attr("note", "done")
    assert len(forced) == 3


def test_the_lock_is_given_back_after_a_failed_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal.log")
    record: dict[str, Any] = {"op_code": 0, "unwritable": object()}
    with pytest.raises(TypeError):
        journal.append_logs([record])
    assert list(tmp_path.iterdir()) == [tmp_path / "journal.log"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", True),
        (b'{"op_c', True),
        (b'{"op_code":0}\n', True),
        (b"hello", False),
        (b"\0\0\0", True),
        (b'###\n{"op_code":0}\n', True),
        (b'# such as {"op_code":0}\n', False),
        (b"{}", False),
    ],
)
def test_a_journal_is_known_by_its_first_bytes(
    content: bytes, expected: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert is_journal(path) == expected


def test_a_last_line_without_meaning_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = _study(path)
    with path.open("ab") as file:
        file.write(b"#####\n")
    with pytest.raises(UserError, match="line 2 is no JSON"):
        _ = study.trials
    with pytest.raises(UserError, match="line 2 is no JSON"):
        _ = study.trials


def test_what_others_write_meanwhile_is_read_from_where_reading_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    first, second = _study(path), _study(path)
    for number in range(3):
        (first, second)[number % 2].set_user_attr(f"a{number}", number)
    assert first.user_attrs == second.user_attrs == {"a0": 0, "a1": 1, "a2": 2}
    assert list(Journal(path).read_logs(2)) == list(JournalFileBackend(str(path)).read_logs(2))


def test_a_journal_that_was_repaired_meanwhile_is_told_from_the_one_that_was_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.log"
    study = _study(path)
    study.set_user_attr("a", 1)
    content = path.read_bytes()
    for changed in (content[:-1].replace(b"study", b"STUDY"), content[: len(content) // 2]):
        path.write_bytes(changed)
        with pytest.raises(UserError, match="has changed"):
            _ = study.user_attrs


def test_a_writer_that_slept_writes_behind_what_others_have_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.log"
    sleeper, other = _study(path), _study(path)
    path.write_bytes(path.read_bytes() + b'{"op_code":2,"wor')
    cut = journal_module._cut
    n_awake: list[int] = []

    def fall_asleep(*arguments: Any) -> None:
        if not n_awake:
            n_awake.append(1)
            storage: Any = sleeper._storage  # whose type in Optuna says nothing of ours
            storage._backend._writing.release()
            other.set_user_attr("other", 1)
            storage._backend._writing.acquire()
        cut(*arguments)

    monkeypatch.setattr(journal_module, "_cut", fall_asleep)
    sleeper.set_user_attr("sleeper", 2)
    assert _study(path).user_attrs == {"other": 1, "sleeper": 2}


@pytest.mark.skipif(os.name == "nt", reason="the lock is no link there")
def test_the_lock_of_a_journal_in_a_relative_folder_leads_to_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    journal = Journal(Path("studies/journal.log"))
    journal._writing.acquire()
    [lock] = [path for path in Path("studies").iterdir() if path.is_symlink()]
    assert lock.resolve() == tmp_path / "studies" / "journal.log"
    journal._writing.release()
