"""At run time nothing asks for the network; `mame_cnn.data fetch` alone is there to."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import GUARD
from tests.without_network import sitecustomize as network

ROOT = Path(__file__).parents[1]

SPACE = """
from search.space import Float, Question, Space

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny networks."),
    parameters=(Float("lr", 1e-3, 1e-1, log=True),),
    fixed={"depth": 1, "width": 2, "pool_size": 8, "dense_width": 8, "batch_size": 128},
    epochs=1,
)
"""

COMMANDS = """
search.run toy.py --trials 3 --device cpu
search.export toy
mame_cnn.train studies/toy/best.toml --device cpu --out trained
mame_cnn.ensemble studies/toy/best.toml --seeds 2 --device cpu --out both
search.report toy
search.notebook
"""


def connect(family: int, address: str | tuple[str, int]) -> None:
    with socket.socket(family) as opened:
        opened.settimeout(0.1)
        opened.connect(address)


def serve(address: tuple[str, int]) -> None:
    with socket.socket() as opened:
        opened.bind(address)


def send(address: tuple[str, int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as opened:
        opened.sendto(b"hello", address)


# Of addresses that are kept for documentation (RFC 5737, RFC 3849) and names that are (RFC 6761).
LEAVING: dict[str, Callable[[], object]] = {
    "an address": lambda: connect(socket.AF_INET, ("192.0.2.1", 80)),
    "an address of version 6": lambda: connect(socket.AF_INET6, ("2001:db8::1", 80)),
    "a name": lambda: socket.create_connection(("example.invalid", 80)),
    "a look-up": lambda: socket.gethostbyname("example.invalid"),
    "a datagram": lambda: send(("192.0.2.1", 53)),
    "a server for all": lambda: serve(("", 0)),
}


@pytest.mark.parametrize("way", LEAVING)
def test_what_would_leave_this_machine_is_refused_and_remembered(way: str) -> None:
    with pytest.raises(network.NetworkError, match="closes the network"):
        LEAVING[way]()
    assert len(network.attempts) == 1
    network.attempts.clear()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_itself_is_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1])).close()


def test_local_sockets_are_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # their paths have at most 107 letters
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("door")
        server.listen()
        connect(socket.AF_UNIX, "door")


def python(*arguments: str, attempts: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the network closed, for it and for every process that it starts."""
    paths = {"PYTHONPATH": os.pathsep.join((GUARD, str(ROOT)))}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **paths, network.ATTEMPTS_FILE: str(attempts)},
        check=False,
    )


def test_a_process_that_a_process_starts_is_held_to_it_even_where_it_catches_errors(
    tmp_path: Path,
) -> None:
    program = (
        "import contextlib, socket, subprocess, sys\n"
        "if len(sys.argv) == 1:\n"
        "    sys.exit(subprocess.run([sys.executable, __file__, 'again']).returncode)\n"
        "with contextlib.suppress(Exception):\n"
        "    socket.create_connection(('192.0.2.1', 80))\n"
    )
    (tmp_path / "program.py").write_text(program)
    attempts = tmp_path / "attempts"
    done = python(str(tmp_path / "program.py"), attempts=attempts)
    assert done.returncode == 0, done.stderr
    assert attempts.read_text() == "socket.getaddrinfo '192.0.2.1'\n"


@pytest.mark.slow
def test_searching_training_combining_and_reporting_ask_for_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAME_DATA", raising=False)
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    Path("toy.py").write_text(SPACE)
    for line in COMMANDS.strip().splitlines():
        done = python("-m", *line.split(), attempts=tmp_path / "attempts")
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert not (tmp_path / "attempts").exists(), line
