"""Workers that are killed, hang or fail: their trials go on, and the search says what happened."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.trials.reading import LOST, OWNER
from tests.search.fake_workers import commands, gate
from tests.search.small_studies import trials_in
from tests.search.watching import Watching, owners, run, script

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow  # every worker is a process, which imports Optuna


@pytest.fixture(autouse=True)
def _importable_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def kill_owner_of_trial_0(folder: Path) -> None:
    os.kill(trials_in(folder)[0].user_attrs[OWNER]["pid"], signal.SIGKILL)


def test_the_trial_of_a_killed_worker_goes_on(tmp_path: Path) -> None:
    display = Watching(lambda: kill_owner_of_trial_0(tmp_path), n_held=1)
    with gate(tmp_path):
        outcome = run(tmp_path, commands(tmp_path, 2, 6, n_held=1), 6, display)
    lost, *others = trials_in(tmp_path)
    assert LOST in lost.user_attrs
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 6
    assert (outcome.ended, outcome.standing.n_ended) == ("total", 6)
    assert display.how[0] == "lost"
    assert any("has died: Killed" in line for line in display.lines)


def test_a_trial_that_dies_with_the_last_worker_goes_on_in_a_new_one(tmp_path: Path) -> None:
    def outlive_the_other() -> None:
        pids = {trial.number: trial.user_attrs[OWNER]["pid"] for trial in trials_in(tmp_path)}
        with suppress(ChildProcessError):  # it has been waited for already
            os.waitid(os.P_PID, pids[1], os.WEXITED | os.WNOWAIT)
        kill_owner_of_trial_0(tmp_path)

    display = Watching(outlive_the_other, n_held=1, n_ended=3)
    with gate(tmp_path):
        outcome = run(tmp_path, commands(tmp_path, 2, 4, n_held=1), 4, display)
    lost, *others = trials_in(tmp_path)
    assert LOST in lost.user_attrs
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 4
    assert len(owners([lost, *others])) == 3
    assert (outcome.ended, outcome.message) == ("total", "study small: has 4 trials")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_worker_that_hangs_is_replaced_and_its_trial_goes_on(tmp_path: Path) -> None:
    display = Watching()
    with gate(tmp_path):
        # Trial 0 is held for good; the one that goes on for it is not.
        starting = commands(tmp_path, 1, 2, n_held=1)
        outcome = run(tmp_path, starting, 2, display, hang_limit_s=2)
    hung, *others = trials_in(tmp_path)
    assert LOST in hung.user_attrs
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 2
    assert (outcome.ended, outcome.standing.n_ended) == ("total", 2)
    (line,) = [line for line in display.lines if "has died" in line]
    assert "it hung" in line
    assert line.endswith("another takes its place")


def test_a_worker_that_the_system_killed_for_want_of_memory_is_named_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_kills = iter(range(100))
    monkeypatch.setattr("search.workers.worker.n_oom_kills", lambda: next(n_kills))
    display = Watching()
    dying = script("import os; os.kill(os.getpid(), signal.SIGKILL)")
    outcome = run(tmp_path, [dying], 4, display)
    assert outcome.message.endswith("killed by the system for want of memory")


def test_a_search_whose_workers_all_die_could_not_finish(tmp_path: Path) -> None:
    display = Watching()
    outcome = run(tmp_path, [script("print('no room'); sys.exit(3)")] * 2, 4, display)
    assert outcome.exit_status == 1
    assert outcome.message == "study small: all workers have died: no room"
    assert "worker 1 has died: no room" in " ".join(display.lines)


def test_workers_that_die_again_and_again_are_no_success_though_one_has_ended_well(
    tmp_path: Path,
) -> None:
    starting = [script("e._send('outcome', 'total', 'as told')"), script("sys.exit('no room')")]
    outcome = run(tmp_path, starting, 4, Watching())
    assert outcome.exit_status == 1
    assert outcome.message == "study small: workers die again and again: no room"
