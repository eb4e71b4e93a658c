"""A study is watched from outside while another process writes it."""

import os
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage

from benchmarks.watch import Sighting, Watcher, watch
from commands.errors import UserError
from search.storages.journal import Journal

SEARCH = """\
import sys
from pathlib import Path
import optuna
from optuna.storages import JournalStorage
from search.storages.journal import Journal

study = optuna.create_study(storage=JournalStorage(Journal(Path(sys.argv[1]))), study_name="s")
for number in range(2):
    trial = study.ask()
    for epoch in (1, 2):
        trial.report(number + epoch / 10, epoch)
    study.tell(trial, 1.0)
"""


WAITING = """\
import pathlib, signal, sys
folder = pathlib.Path(sys.argv[1]).parent
try:
    (folder / "ready").touch()
    signal.pause()
except KeyboardInterrupt:
    (folder / "stopped").touch()
"""


def watched(
    tmp_path: Path, program: str, *, seconds: float = 600.0, watcher: Watcher | None = None
) -> list[Sighting]:
    journal = tmp_path / "journal.log"
    return watch(
        [sys.executable, "-c", program, str(journal)],
        watcher or Watcher(journal, "s"),
        seconds=seconds,
        log=tmp_path / "output.log",
        environment=os.environ,
    )


def test_each_report_is_seen_once_and_in_order(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    watcher = Watcher(journal, "s")
    assert watcher.look(1.0) == []
    study = optuna.create_study(storage=JournalStorage(Journal(journal)), study_name="s")
    assert watcher.look(2.0) == []
    first, second = study.ask(), study.ask()
    first.report(0.5, 1)
    assert watcher.look(3.0) == [Sighting(3.0, 0, 0.5)]
    first.report(0.25, 2)
    second.report(0.75, 1)
    assert watcher.look(4.0) == [Sighting(4.0, 0, 0.25), Sighting(4.0, 1, 0.75)]
    assert watcher.look(5.0) == []


def test_a_search_that_ends_early_is_seen_to_its_end(tmp_path: Path) -> None:
    seen = watched(tmp_path, SEARCH)
    assert [(one.trial, one.value) for one in seen] == [(0, 0.1), (0, 0.2), (1, 1.1), (1, 1.2)]
    assert all(0 < one.seen_s < 600 for one in seen)


def test_a_search_whose_time_is_over_has_not_failed(tmp_path: Path) -> None:
    assert watched(tmp_path, "import signal; signal.pause()", seconds=0.5) == []


def test_a_search_is_ended_as_ctrl_c_ends_it(tmp_path: Path) -> None:
    journal, ready, stopped = (tmp_path / name for name in ("journal.log", "ready", "stopped"))

    class ImpatientWatcher(Watcher):
        def look(self, now_s: float) -> list[Sighting]:
            if ready.exists():
                raise KeyboardInterrupt
            return []

    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path, WAITING, watcher=ImpatientWatcher(journal, "s"))
    assert stopped.exists()


def test_a_search_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ValueError: no such space"):
        watched(tmp_path, "raise ValueError('no such space')")
