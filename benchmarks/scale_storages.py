"""The storages of the scale benchmark: fresh ones, gone when the benchmark ends."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.postgres import Server, find_programs, serving
from commands.errors import UserError

STORAGES = ("journal", "postgresql", "grpc")
_DURABLE = """
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 200
"""
"""Two for each of 64 workers: 100, PostgreSQL's own limit, are too few."""
_STARTING_S = 60.0


class Storages:
    """Fresh storages by key; the proxy's is the database that PostgreSQL has under that key."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Begin.

        Args:
            folder: where files go.
            stack: ends the server.
        """
        self._folder = folder
        self._stack = stack
        self._server: Server | None = None
        self._databases: dict[str, str] = {}

    @contextmanager
    def at(self, storage: str, key: str) -> Iterator[str]:
        """Yield the path or address of a storage; a proxy is this block's own."""
        if storage == "journal":
            (self._folder / key).mkdir(exist_ok=True)
            yield str(self._folder / key / "journal.log")
        elif storage == "postgresql":
            yield self._database(key)
        else:
            with _proxy(self._database(key), self._folder) as proxy:
                yield proxy

    def _database(self, key: str) -> str:
        self._server = self._server or self._stack.enter_context(_durable())
        if key not in self._databases:
            self._databases[key] = self._server.fresh_database()
        return self._databases[key]


@contextmanager
def _durable() -> Iterator[Server]:
    """Run a server that forces commits to the disk, as one that keeps things does."""
    programs = find_programs()
    if programs is None:
        raise UserError("--storages postgresql grpc: the server's programs are not installed")
    with serving(programs, _DURABLE) as server:
        yield server


@contextmanager
def _proxy(address: str, folder: Path) -> Iterator[str]:
    """Run `search.proxy` in front of a database, and yield its address."""
    port = _free_port()
    where = ["--storage", address, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "proxy.log").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "search.proxy", *where], stdout=output, stderr=output
        )
        try:
            _await(process, port, folder / "proxy.log")
            yield f"grpc://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _await(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    """Return once something listens; `UserError` where the process ends before."""
    until_s = time.monotonic() + _STARTING_S
    while process.poll() is None and time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise UserError(f"python -m search.proxy: does not listen: {output.read_text()[-2000:]}")
