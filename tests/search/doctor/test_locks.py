import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from search.doctor.finding import Finding, Note
from search.doctor.locks import holders_of, locks
from search.storages.journal import Journal

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")


def _found(path: Path, slept: list[float] | None = None) -> list[Finding | Note]:
    claims = FileLock(f"{path}.claims.lock")
    return list(locks(path, claims, sleep=(slept if slept is not None else []).append))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "journal.log").write_bytes(b"")
    return tmp_path / "journal.log"


def test_a_journal_that_nobody_writes_has_no_locks(path: Path) -> None:
    assert _found(path) == []
    assert list(path.parent.iterdir()) == [path]


def test_a_lock_that_nobody_holds_is_removed(path: Path) -> None:
    Journal(path)._writing.acquire()  # and dies
    slept: list[float] = []
    [finding] = _found(path, slept)
    assert isinstance(finding, Finding)
    assert "left by a process that died" in finding.fault
    assert sum(slept) == pytest.approx(30, abs=1)  # as long as Optuna itself would wait
    assert finding.mend is not None
    finding.mend()
    assert list(path.parent.iterdir()) == [path]


def test_an_old_lock_is_watched_for_a_second(path: Path) -> None:
    Journal(path)._writing.acquire()
    os.utime(f"{path}.lock", (0, 0), follow_symlinks=False)
    slept: list[float] = []
    assert len(_found(path, slept)) == 1
    assert sum(slept) == pytest.approx(1)


def test_a_lock_that_changes_hands_is_none_of_the_doctors(path: Path) -> None:
    journal = Journal(path)
    journal._writing.acquire()
    claims = FileLock(f"{path}.claims.lock")

    def another_writes(seconds: float) -> None:
        if os.path.lexists(f"{path}.lock"):
            journal._writing.release()

    assert list(locks(path, claims, sleep=another_writes)) == []


def test_a_lock_that_somebody_took_meanwhile_is_not_removed(path: Path) -> None:
    Journal(path)._writing.acquire()
    [finding] = _found(path)
    os.unlink(f"{path}.lock")
    os.symlink("elsewhere", f"{path}.lock")
    os.utime(f"{path}.lock", (1, 1), follow_symlinks=False)
    assert isinstance(finding, Finding)
    assert finding.mend is not None
    finding.mend()
    assert os.path.lexists(f"{path}.lock")


def test_what_a_process_left_while_it_gave_the_lock_back_is_removed(path: Path) -> None:
    os.symlink(path, f"{path}.lock1234.rename")
    [finding] = _found(path)
    assert isinstance(finding, Finding)
    assert finding.mend is not None
    finding.mend()
    assert list(path.parent.iterdir()) == [path]


@needs_proc
def test_who_has_the_journal_open_holds_its_lock(path: Path) -> None:
    script = "import sys; file = open(sys.argv[1]); print(flush=True); input()"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        Journal(path)._writing.acquire()
        [note] = _found(path)
        assert isinstance(note, Note)
        assert f"held by process {process.pid} (" in note.said
        process.communicate(b"\n")
    assert holders_of(path) == []
