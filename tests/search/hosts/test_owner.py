import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.hosts.owner import OOM_KILLS, death, is_dead, is_here, process_start, this_process


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_this_process_is_alive() -> None:
    assert not is_dead(this_process())


def test_a_process_is_dead_once_it_has_ended(child: subprocess.Popen[bytes]) -> None:
    owner = this_process() | {"pid": child.pid, "started": process_start(child.pid) or ""}
    assert not is_dead(owner)
    child.kill()
    child.wait()
    assert is_dead(owner)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_process_that_nobody_has_waited_for_is_dead_too(child: subprocess.Popen[bytes]) -> None:
    owner = this_process() | {"pid": child.pid, "started": process_start(child.pid) or ""}
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and left a zombie
    assert is_dead(owner)


def test_a_process_number_that_was_used_again_is_another_process() -> None:
    assert is_dead(this_process() | {"started": "an hour ago"})


def test_a_process_of_another_host_counts_as_alive() -> None:
    assert not is_dead({"host": "elsewhere", "pid": 1, "started": "then"})


def test_a_process_of_another_container_is_not_looked_for_here() -> None:
    assert not is_dead(this_process() | {"namespace": "pid:[1]", "started": "an hour ago"})


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_process_that_is_hidden_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(path: Path, *_: object) -> str:
        raise FileNotFoundError(str(path))

    before = this_process() | {"started": "an hour ago"}
    assert is_dead(before)
    monkeypatch.setattr(Path, "read_text", hidden)
    assert not is_dead(before)


def test_a_machine_of_the_same_name_is_another_host() -> None:
    assert not is_here(this_process() | {"machine": "another"})
    assert not is_dead(this_process() | {"machine": "another", "pid": 2**22 + 1})


def test_a_death_while_the_kernel_was_killing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = this_process() | {"started": "an hour ago", OOM_KILLS: 10**9}
    assert death(before) == "its process has died"
    monkeypatch.setattr("search.hosts.owner.n_oom_kills", lambda: 10**9 + 1)
    assert death(before) == "its process has died, perhaps for want of memory"
    assert death(this_process()) is None
