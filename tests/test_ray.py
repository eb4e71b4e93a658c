"""Searches on a Ray cluster: nodes that are lost, nodes that join, and nothing left behind.

The cluster is real, of several nodes on this machine (Ray's own utility for tests).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import pytest
from optuna.trial import TrialState

from search.trials.outcome import Outcome
from search.trials.reading import CONTINUES, INTERRUPTED, LOST, OWNER, Tally
from search.workers.ray_cluster import Cluster, Need, reached
from search.workers.ray_engine import run_on_ray
from tests.conftest import GUARD
from tests.processes import line_of, parents
from tests.search.fake_trainer import FakeTrainer
from tests.search.fake_workers import EPOCHS, commands, gate
from tests.search.small_studies import opened_in, trials_in
from tests.search.watching import Watching
from tests.test_no_network import SPACE

ROOT = Path(__file__).parents[1]
LOOPBACK = "127.0.0.1"
ONE_CPU = Need(cpus=1, gpus=0)
SETTINGS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 2,
    "prestart_worker_first_driver": False,
    "enable_metrics_collection": False,
}
"""Lost nodes are noticed soon, and no process is started that nobody needs."""
MOST_S, AGAIN_S = 300, 10
"""After which a test is ended, and its tidying up."""


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """End a test that waits for ever, as it would for a cluster with which something is wrong."""

    def end(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"nothing more happens after {MOST_S} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, MOST_S, AGAIN_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster whose first node, which is ours, has no room for workers."""
    # Not in pytest's folder: the paths of sockets have at most 107 letters.
    with TemporaryDirectory(prefix="ray-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join((GUARD, str(ROOT))))
        patch.setenv("RAY_TMPDIR", str(folder))
        # Else Ray takes 127.0.0.1 for the machine's own address, and waits there for minutes.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        from ray._private import ray_constants
        from ray.cluster_utils import Cluster as Nodes

        patch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)

        alone = {"num_cpus": 0, "node_ip_address": LOOPBACK, "include_dashboard": False}
        nodes = Nodes(initialize_head=True, head_node_args={**alone, "_system_config": SETTINGS})
        yield nodes
        nodes.shutdown()


@pytest.fixture
def add_node(nodes: Any) -> Iterator[Callable[..., Any]]:
    added: list[Any] = []

    def add(**more: int) -> Any:
        added.append(nodes.add_node(num_cpus=1, node_ip_address=LOOPBACK, **more))
        return added[-1]

    yield add
    for node in added:
        nodes.remove_node(node, allow_graceful=False)
    nodes.wait_for_nodes()  # until the cluster knows that they are gone, too


class Stepwise(Watching):
    """Does one thing after the other, each when one more trial is held."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self._steps = list(steps)

    def said(self, line: str) -> None:
        print(line)  # pytest shows it where a test fails
        super().said(line)

    def _act_in_time(self) -> None:
        if self._steps and self.lines[-1:] and self.lines[-1].endswith("is held"):
            self._steps.pop(0)()


def run(
    nodes: Any, folder: Path, n_workers: int, total: int, display: Watching, n_held: int
) -> tuple[Outcome, list[str]]:
    """Search with the fake trainer; return the outcome and the states of all actors."""
    with reached(nodes.address, print) as cluster:
        before = set(cluster.ray._private.state.actors())
        outcome = run_on_ray(
            opened_in(folder, trainer=FakeTrainer(epochs=EPOCHS)),
            cluster,
            lambda left_s: commands(folder, 1, total, n_held=n_held)[0].arguments[1:],
            ONE_CPU,
            n_workers,
            total,
            display,
        )
        return outcome, states_of_actors(cluster, before)


def states_of_actors(cluster: Cluster, before: set[str]) -> list[str]:
    """Return the states of all actors that were not there before, once they have all ended.

    Or after a few seconds: what the driver has ended, the cluster hears of a little later.
    """
    for _ in range(100):
        actors = cluster.ray._private.state.actors()
        states = [actors[own]["State"] for own in actors.keys() - before]
        if set(states) <= {"DEAD"}:
            break
        time.sleep(0.1)
    return states


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of workers that work in a folder."""
    listed = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def kill_node_of(pid: int, added: list[Any]) -> None:
    """Kill all processes of the node on which one runs, as a loss of power does."""
    known = parents()
    ancestors = line_of(pid, known)
    raylets = (node.all_processes["raylet"][0].process.pid for node in added)
    [raylet] = [raylet for raylet in raylets if raylet in ancestors]
    for each in [each for each in known if raylet in line_of(each, known)]:
        os.kill(each, signal.SIGKILL)


@pytest.mark.slow
def test_the_trial_of_a_lost_node_goes_on_elsewhere(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path
) -> None:
    added = [add_node(), add_node()]

    def lose_node() -> None:
        kill_node_of(trials_in(tmp_path)[0].user_attrs[OWNER]["pid"], added)

    display = Stepwise(lose_node)
    with gate(tmp_path):
        outcome, actors = run(nodes, tmp_path, 2, 6, display, n_held=1)
    lost, *others = trials_in(tmp_path)
    assert LOST in lost.user_attrs
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 6
    [heir] = [trial for trial in others if trial.user_attrs.get(CONTINUES) == 0]
    assert heir.params == lost.params
    assert list(heir.intermediate_values) == [1, 2, 3]
    assert (outcome.ended, outcome.standing.n_ended) == ("total", 6)
    assert display.how[0] == "lost"
    assert any("its node is lost" in line for line in display.lines)
    assert set(actors) == {"DEAD"}
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_the_trial_of_an_actor_that_dies_goes_on_in_another(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path
) -> None:
    add_node()

    def kill_actor() -> None:
        process = trials_in(tmp_path)[0].user_attrs[OWNER]["pid"]
        os.kill(parents()[process], signal.SIGKILL)

    display = Stepwise(kill_actor)
    with gate(tmp_path):
        outcome, actors = run(nodes, tmp_path, 1, 2, display, n_held=1)
    first, *others = trials_in(tmp_path)
    assert first.user_attrs.get(INTERRUPTED) or LOST in first.user_attrs
    assert [trial.state for trial in others] == [TrialState.COMPLETE] * 2
    assert [trial.user_attrs.get(CONTINUES) for trial in others].count(0) == 1
    assert (outcome.ended, outcome.standing.n_ended) == ("total", 2)
    assert any("worker 1 has died" in line and "its node" not in line for line in display.lines)
    assert set(actors) == {"DEAD"}
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_a_worker_joins_with_the_node_that_has_room_for_it(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path
) -> None:
    add_node()
    with gate(tmp_path) as held:
        display = Stepwise(add_node, lambda: os.write(held, bytes(2)))
        outcome, actors = run(nodes, tmp_path, 2, 5, display, n_held=2)
    trials = trials_in(tmp_path)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5
    assert len({trial.user_attrs[OWNER]["pid"] for trial in trials}) == 2
    assert outcome.message == "study small: has 5 trials"
    assert "the nodes have room for 1, others join later" in display.lines[0]
    assert set(actors) == {"DEAD"}


@pytest.mark.slow
def test_ctrl_c_ends_trials_in_good_order_and_leaves_the_cluster_clean(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path
) -> None:
    add_node()
    display = Stepwise(lambda: signal.raise_signal(signal.SIGINT))
    with gate(tmp_path):
        outcome, actors = run(nodes, tmp_path, 3, 10, display, n_held=10)
    [trial] = trials_in(tmp_path)
    assert (outcome.ended, outcome.exit_status) == ("Ctrl-C", 130)
    assert trial.user_attrs[INTERRUPTED] == "Ctrl-C"
    assert display.how == {0: "stopped"}
    assert len(actors) == 3  # two of which waited for a place
    assert set(actors) == {"DEAD"}
    assert left_behind(tmp_path) == []
    assert display.n_open == 0


@pytest.mark.slow
def test_workers_that_die_again_and_again_end_the_search(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path
) -> None:
    add_node()
    display = Watching()
    opened = opened_in(tmp_path, trainer=FakeTrainer(epochs=EPOCHS))
    dying = ["-c", "print('no room'); raise SystemExit(3)"]
    with reached(nodes.address, print) as cluster:
        outcome = run_on_ray(opened, cluster, lambda left_s: dying, ONE_CPU, 1, 4, display)
    assert outcome.exit_status == 1
    assert outcome.message == "study small: all workers have died: no room"


@pytest.mark.slow
def test_a_worker_has_the_gpu_that_it_was_given_and_the_variables_of_the_command(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_node(num_gpus=2)  # of which Ray is told, and does not look
    monkeypatch.setenv("MAME_OF_THE_COMMAND", "known")  # and not to the node, which is older
    opened = opened_in(tmp_path, trainer=FakeTrainer(epochs=EPOCHS))
    names = ("CUDA_VISIBLE_DEVICES", "MAME_OF_THE_COMMAND")
    telling = ["-c", f"import os; raise SystemExit(' '.join(map(os.environ.get, {names})))"]
    with reached(nodes.address, print) as cluster:
        need = cluster.need("auto", 0.5, None)
        outcome = run_on_ray(opened, cluster, lambda left_s: telling, need, 1, 4, Watching())
    told = [f"study small: all workers have died: {gpu} known" for gpu in (0, 1)]
    assert outcome.message in told


@pytest.mark.slow
def test_time_that_is_over_ends_the_wish_for_a_place(nodes: Any, tmp_path: Path) -> None:
    opened = opened_in(tmp_path, trainer=FakeTrainer(epochs=EPOCHS))
    with reached(nodes.address, print) as cluster:
        outcome = run_on_ray(
            opened, cluster, lambda left_s: [], ONE_CPU, 2, 4, Watching(), timeout_s=0.1
        )
    assert (outcome.ended, outcome.standing) == ("timeout", Tally(0, 0, 0, 0, None))


def searched_by_command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "toy.py").write_text(SPACE)
    command = [sys.executable, "-m", "search.run", "toy.py", "--data", "digits", "--engine", "ray"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((GUARD, str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_S,
    )


@pytest.mark.slow
def test_the_command_searches_on_a_cluster(
    nodes: Any, add_node: Callable[..., Any], tmp_path: Path
) -> None:
    add_node()
    done = searched_by_command(
        tmp_path, "--address", nodes.address, "--trials", "2", "--image-size", "16"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "study toy: has 2 trials" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_a_cluster_without_the_gpus_that_are_asked_for_is_refused(
    nodes: Any, tmp_path: Path
) -> None:
    done = searched_by_command(tmp_path, "--address", nodes.address, "--gpus-per-worker", "1")
    assert done.returncode == 2
    assert "a worker needs 1 CPU and 1 GPU, and no node of the cluster has that" in done.stderr
    assert not (tmp_path / "studies").exists()
