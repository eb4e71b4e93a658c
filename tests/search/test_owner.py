import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from search.owner import is_dead, process_start, this_process


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
