import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState
from optuna_dashboard import get_note

from commands.errors import UserError
from search.displays.display import QuietDisplay
from search.engine.claims import Claim, claim, enqueue_baselines
from search.files.artifacts import Artifacts
from search.sampling.samplers import make_sampler
from search.space.values import Value
from search.storages.patience import Patience, StorageLostError
from search.storages.storage import open_storage
from search.studies.study import open_study
from search.trials.reading import INTERRUPTED
from search.workers.workers import run_workers
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.fake_workers import EPOCHS, MODULE, commands, gate
from tests.search.small_studies import opened_in, searched, trials_in
from tests.search.watching import Watching, are_all_dead, owners, run, script

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow  # every worker is a process, which imports Optuna


@pytest.fixture(autouse=True)
def _importable_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_three_workers_share_one_total(tmp_path: Path) -> None:
    with gate(tmp_path) as held:
        # None goes on before all have a trial.
        display = Watching(lambda: os.write(held, bytes(3)), n_held=3)
        outcome = run(tmp_path, commands(tmp_path, 3, 10, n_held=3), 10, display)
    trials = trials_in(tmp_path)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 10
    assert len(owners(trials)) == 3
    assert display.how == dict.fromkeys(range(10), "complete")
    assert (outcome.ended, outcome.message) == ("total", "study small: has 10 trials")
    assert outcome.best is not None
    kept = [Artifacts(tmp_path / "artifacts").read(trial, "key.txt") for trial in trials]
    assert kept == [str(number).encode() for number in range(10)]
    # The draw depends on the number alone, so the three draw what one would.
    searched(tmp_path / "alone", 10, trainer=FakeTrainer(epochs=EPOCHS))
    assert [t.params for t in trials] == [t.params for t in trials_in(tmp_path / "alone")]
    note = get_note(opened_in(tmp_path, trainer=FakeTrainer(epochs=EPOCHS)).study)
    assert note.count("## Experimental outcomes\n\n10 trials: 10 complete") == 1


def test_ctrl_c_gives_up_what_all_workers_run(tmp_path: Path) -> None:
    display = Watching(lambda: signal.raise_signal(signal.SIGINT), n_held=2)
    with gate(tmp_path):
        outcome = run(tmp_path, commands(tmp_path, 2, 10, n_held=10), 10, display)
    assert (outcome.ended, outcome.exit_status) == ("Ctrl-C", 130)
    trials = trials_in(tmp_path)
    assert [trial.user_attrs[INTERRUPTED] for trial in trials] == ["Ctrl-C", "Ctrl-C"]
    assert display.how == {0: "stopped", 1: "stopped"}
    assert display.n_open == 0
    assert are_all_dead(trials)


def test_what_each_worker_finds_out_about_the_storage_is_said_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = open_storage(f"sqlite:///{tmp_path}/studies.db", patience=Patience())
    opened = open_study(place, "small", SPACE, FakeTrainer())
    worker = script(
        "import os\n"
        "from search.trials.outcome import Outcome\n"
        "from search.trials.reading import Tally\n"
        "e.storage(True, 'it is away'); e.said(f'{os.getpid()} is held')\n"
        f"open({str(tmp_path / 'gate')!r}, 'rb', buffering=0).read(1)\n"
        "e.storage(False, 'it is back')\n"
        "e.came_to(Outcome(Tally(0, 0, 0, 0, None), 'timeout', 'over'))"
    )
    with gate(tmp_path) as held:
        display = Watching(lambda: os.write(held, bytes(3)), n_held=3)
        assert run_workers(opened, [worker] * 3, 1, display).ended == "timeout"
    place.close()
    assert capfd.readouterr().err.splitlines() == ["it is away", "it is back"]


def test_what_each_worker_warns_of_is_told_once_also_to_whoever_wants_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = script("e.warned('files are not kept'); e._send('outcome', 'total', 'as told')")
    run_workers(opened_in(tmp_path), [worker] * 2, 4, QuietDisplay())
    assert capfd.readouterr().err == "warning: files are not kept\n"


def test_a_storage_that_a_worker_has_lost_is_nobodys_mistake(tmp_path: Path) -> None:
    with pytest.raises(StorageLostError, match="gone"):
        run(tmp_path, [script("e.refused('gone', 1)")], 1, Watching())
    with pytest.raises(UserError, match="wrong") as caught:
        run(tmp_path, [script("e.refused('wrong')")], 1, Watching())
    assert caught.value.status == 2


def test_a_second_ctrl_c_kills(tmp_path: Path) -> None:
    stubborn = script(
        "signal.signal(signal.SIGINT, lambda *_: e.said('not yet'))\n"
        "e.said('ready'); sys.stdin.read()"
    )

    class Impatient(Watching):
        def said(self, line: str) -> None:
            super().said(line)
            if line in ("ready", "not yet"):
                signal.raise_signal(signal.SIGINT)

    display = Impatient()
    assert run(tmp_path, [stubborn], 1, display).ended == "Ctrl-C"
    assert display.lines[-1] == "not yet"


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with started(tmp_path) as process:
        yield process


@pytest.fixture
def background_starter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start it as a shell without job control starts what ends in &: deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with started(tmp_path) as process:
            yield process
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that starts two workers, and let both have a trial that is held."""
    command = [sys.executable, "-m", MODULE, "starter", str(tmp_path)]
    with (
        gate(tmp_path),
        subprocess.Popen(
            [*command, "2", "10"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as process,
    ):
        assert process.stdout is not None
        held = (line for line in process.stdout if "is held" in line)
        assert [next(held), next(held)]
        yield process
        process.kill()


def test_ctrl_c_in_a_terminal_reaches_workers_once(
    starter: subprocess.Popen[str], tmp_path: Path
) -> None:
    # A terminal signals its whole foreground group, which workers are no part of.
    assert starter.pid not in map(os.getpgid, owners(trials_in(tmp_path)))
    os.killpg(starter.pid, signal.SIGINT)
    assert starter.wait(timeout=30) == 130
    trials = trials_in(tmp_path)
    assert [trial.user_attrs[INTERRUPTED] for trial in trials] == ["Ctrl-C", "Ctrl-C"]
    assert are_all_dead(trials)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs to wait for grandchildren")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_in_good_order_when_their_starter_is_killed(
    by: signal.Signals, starter: subprocess.Popen[str], tmp_path: Path
) -> None:
    workers = [os.pidfd_open(pid) for pid in owners(trials_in(tmp_path))]
    starter.send_signal(by)
    for worker in workers:
        assert select.select([worker], [], [], 30)[0]  # readable once it has ended
        os.close(worker)
    trials = trials_in(tmp_path)
    assert len(trials) == 2
    assert all(INTERRUPTED in trial.user_attrs for trial in trials)


def test_what_stops_with_its_parent_hears_ctrl_c_though_it_was_born_deaf_to_it(
    background_starter: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.killpg(background_starter.pid, signal.SIGINT)
    assert background_starter.wait(timeout=30) == 130
    assert are_all_dead(trials_in(tmp_path))


@pytest.mark.parametrize(
    ("total", "told", "expected"),
    [
        (2, ["total", "timeout"], ("total", "study small: has 2 trials already; a larger")),
        (3, ["timeout", "total"], ("timeout", "as told")),  # which gave up what another counted
        (3, ["failures", "grid"], ("failures", "as told")),
    ],
)
def test_what_a_search_came_to_is_told_by_the_study_and_then_by_workers(
    total: int, told: list[str], expected: tuple[str, str], tmp_path: Path
) -> None:
    searched(tmp_path, 2, trainer=FakeTrainer(epochs=EPOCHS))
    starting = [script(f"e._send('outcome', '{ended}', 'as told')") for ended in told]
    outcome = run(tmp_path, starting, total, Watching())
    assert outcome.ended == expected[0]
    assert outcome.message.startswith(expected[1])
    assert outcome.standing.n_complete == 2


def test_the_same_failure_again_and_again_ends_all_workers(tmp_path: Path) -> None:
    display = Watching()
    starting = [*commands(tmp_path, 1, 50, fails=True), script("sys.stdin.read()")]
    outcome = run(tmp_path, starting, 50, display)
    assert outcome.exit_status == 1
    assert "3 trials in a row failed: RuntimeError: no weights" in outcome.message
    assert outcome.standing.n_ended == 3
    assert not any("has died" in line for line in display.lines)


def test_a_mistake_that_a_worker_finds_is_told_once_and_ends_the_others(tmp_path: Path) -> None:
    waiting = script("sys.stdin.read()")
    with pytest.raises(UserError, match="the images take"):
        run(tmp_path, [script("e.refused('the images take 9 MiB')"), waiting], 4, Watching())


def test_workers_are_given_their_threads_before_they_start(tmp_path: Path) -> None:
    display = Watching()
    tells = "import os; e.said(os.environ['OMP_NUM_THREADS']); e.said('same'); e.said('same')"
    run(tmp_path, [replace(script(tells), n_threads=3)], 1, display)
    assert "3" in display.lines
    assert display.lines.count("same") == 1


def test_a_baseline_that_another_worker_runs_is_not_tried_again(tmp_path: Path) -> None:
    baseline: dict[str, Value] = {"depth": 1, "lr": 1e-2, "drop_rate": 0.0, "pool": "max"}
    space = replace(SPACE, baselines=(baseline,))
    first, second = opened_in(tmp_path, space), opened_in(tmp_path, space)
    sampler = make_sampler("random", space, lambda params: None, seed=0)
    enqueue_baselines(first, lambda params: None, lambda line: None)
    assert isinstance(claim(first, sampler, 5, lambda line: None), Claim)
    enqueue_baselines(second, lambda params: None, lambda line: None)
    assert [trial.params for trial in trials_in(tmp_path)] == [baseline]
