"""Searches on a Ray cluster: nodes that are lost, nodes that join, and nothing left behind.

The cluster is real, of several nodes on this machine (Ray's own utility for tests).
"""

import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from commands.errors import UserError
from search.events import read_line
from search.options import check_engine, make_parser
from search.outcome import Outcome
from search.ray_cluster import Cluster, Need, reached
from search.ray_engine import run_on_ray
from search.ray_host import Host
from search.trials import CONTINUES, INTERRUPTED, LOST, OWNER, Tally
from tests.conftest import GUARD
from tests.search.fake_trainer import FakeTrainer
from tests.search.fake_workers import EPOCHS, commands, gate
from tests.search.studies import opened_in, trials_in
from tests.search.test_workers import Watching
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


def a_cluster(*nodes: dict[str, float]) -> Cluster:
    """Return what is connected to a cluster of these nodes, without one."""
    listed = [{"Alive": True, "Resources": node} for node in nodes]
    return Cluster(SimpleNamespace(nodes=lambda: listed))


@pytest.mark.parametrize(
    ("need", "room"),
    [
        (Need(1, 0), 12),
        (Need(3, 0), 3),  # what is left over on two nodes makes no third place
        (Need(1, 1), 3),
        (Need(5, 1), 1),
        (Need(1, 0.5), 6),
        (Need(1, 0.6), 3),  # no share reaches across two GPUs
    ],
)
def test_room_is_counted_node_by_node(need: Need, room: int) -> None:
    assert a_cluster({"CPU": 8, "GPU": 2}, {"CPU": 4, "GPU": 1}).room(need) == room


def test_a_worker_gets_a_gpu_where_there_are_any() -> None:
    assert a_cluster({"CPU": 8, "GPU": 2}).need("auto", None, None) == Need(1, 1)
    assert a_cluster({"CPU": 8, "GPU": 2}).need("cpu", None, 2) == Need(2, 0)
    assert a_cluster({"CPU": 8}).need("auto", None, None) == ONE_CPU


@pytest.mark.parametrize(
    ("device", "gpus", "cpus", "message"),
    [
        ("auto", 1, None, "a worker needs 1 CPU and 1 GPU, and no node .* 8 CPUs and 0 GPUs"),
        ("cuda", None, None, "needs 1 CPU and 1 GPU"),
        ("auto", None, 9, "needs 9 CPUs"),
        ("cpu", 0.5, None, "not with --device cpu"),
        ("cuda", 0, None, "not with --device cuda"),
        ("cuda:1", None, None, "--device cuda:1: on Ray one of auto, cpu, cuda"),
    ],
)
def test_what_no_node_has_is_refused(
    device: str, gpus: float | None, cpus: int | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        a_cluster({"CPU": 8}, {"CPU": 2}).need(device, gpus, cpus)


@pytest.mark.parametrize("given", ["-1", "1.5", "two", "nan"])
def test_a_worker_has_at_most_one_gpu(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["space.py", "--gpus-per-worker", given])
    assert "a number from 0 to 1" in capsys.readouterr().err


def test_options_of_ray_are_refused_without_it() -> None:
    with pytest.raises(UserError, match="--gpus-per-worker: needs --engine ray"):
        check_engine(make_parser().parse_args(["space.py", "--gpus-per-worker", "1"]))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "nobody answers"),
        ("ray://127.0.0.1:10001", "expected auto, local or HOST:PORT"),
        ("127.0.0.1", "expected auto, local or HOST:PORT"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, message: str) -> None:
    pytest.importorskip("ray", exc_type=ImportError)
    with pytest.raises(UserError, match=message), reached(address, print):
        pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    named = r"pip install 'mame-cnn-search\[cluster\]'"
    with pytest.raises(UserError, match=named), reached(None, print):
        pass


def test_nothing_of_ray_is_imported_without_it() -> None:
    program = "import sys, search.run; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_an_interruption_that_comes_before_the_process_ends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    host = Host()
    host.interrupt(signal.SIGINT)
    waiting = ["-c", "import sys; sys.stdin.read()"]
    assert host.start(waiting, 1, str(tmp_path), {}, hang_limit_s=600) is None
    how = None
    while how is None:
        _, how = host.hear()
    assert how in ("Interrupt", "KeyboardInterrupt")


def test_a_node_without_the_folder_refuses(tmp_path: Path) -> None:
    there = str(tmp_path / "elsewhere")
    refusal = Host().start(["-c", ""], 1, there, {}, hang_limit_s=600)
    assert refusal is not None
    _, event = read_line(refusal)
    assert event is not None
    assert event[0] == "refused"
    assert event[1].startswith(f"{there}: No such file or directory; all nodes must have")


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
    pytest.importorskip("ray", exc_type=ImportError, reason="no Ray: pip install -e '.[cluster]'")
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


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent in pairs}


def line_of(pid: int, known: dict[int, int]) -> list[int]:
    """Return a process and all from whom it descends."""
    line = [pid]
    while line[-1] in known:
        line.append(known[line[-1]])
    return line


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
def test_a_cluster_for_one_search_listens_to_this_machine_alone(tmp_path: Path) -> None:
    pytest.importorskip("ray", exc_type=ImportError)
    program = (
        "from search.ray_cluster import reached\n"
        "from tests.test_ray import listening\n"
        "with reached('local', print):\n"
        "    print(*listening(), sep='\\n')\n"
    )
    # Ray keeps a token for the clusters that it starts at home.
    paths = {"PYTHONPATH": os.pathsep.join((GUARD, str(ROOT))), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_S,
    )
    assert done.returncode == 0, done.stderr
    hosts = {ipaddress.ip_address(line) for line in done.stdout.splitlines()}
    assert hosts
    assert all((getattr(host, "ipv4_mapped", None) or host).is_loopback for host in hosts)


def listening() -> list[str]:
    """Return the addresses on which this process and its descendants wait for connections."""
    known = parents()
    own = [pid for pid in known if os.getpid() in line_of(pid, known)]
    sockets = {link for pid in own for link in open_files(pid) if link.startswith("socket:")}
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()  # man 5 proc
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1].partition(":")[0])
    return [str(address_of(text)) for text in found]


def address_of(text: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address":
    """Return an address that the kernel writes as words of four bytes in its own order."""
    words = (bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8))
    own_order = sys.byteorder == "little"
    return ipaddress.ip_address(b"".join(word[::-1] if own_order else word for word in words))


def open_files(pid: int) -> list[str]:
    """Return what a process has open; nothing for one that has ended."""
    links = []
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                links.append(os.readlink(entry))
    return links


@pytest.mark.slow
def test_a_cluster_without_the_gpus_that_are_asked_for_is_refused(
    nodes: Any, tmp_path: Path
) -> None:
    done = searched_by_command(tmp_path, "--address", nodes.address, "--gpus-per-worker", "1")
    assert done.returncode == 2
    assert "a worker needs 1 CPU and 1 GPU, and no node of the cluster has that" in done.stderr
    assert not (tmp_path / "studies").exists()
