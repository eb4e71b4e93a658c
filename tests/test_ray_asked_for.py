"""What is asked of a Ray cluster, and refused, before a search runs on it."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from commands.errors import UserError
from search.displays.display import QuietDisplay
from search.displays.events import read_line
from search.options import check_engine, make_parser
from search.workers.ray_cluster import Cluster, Need, reached
from search.workers.ray_engine import _RayWorkers
from search.workers.ray_host import Host
from tests.search.small_studies import opened_in

ROOT = Path(__file__).parents[1]


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
    assert a_cluster({"CPU": 8}).need("auto", None, None) == Need(1, 0)


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


def test_a_worker_that_gets_its_place_too_late_has_no_time_left(tmp_path: Path) -> None:
    cluster, need = a_cluster({"CPU": 1}), Need(1, 0)
    given: list[float] = []

    def arguments(left_s: float) -> list[str]:
        given.append(left_s)
        return []

    late = _RayWorkers(opened_in(tmp_path), QuietDisplay(), cluster, arguments, need, -0.5, 600)
    late._order.arguments()
    assert given == [0]


def test_a_node_without_the_folder_refuses(tmp_path: Path) -> None:
    there = str(tmp_path / "elsewhere")
    refusal = Host().start(["-c", ""], 1, there, {}, hang_limit_s=600)
    assert refusal is not None
    _, event = read_line(refusal)
    assert event is not None
    assert event[0] == "refused"
    assert event[1].startswith(f"{there}: No such file or directory; all nodes must have")
