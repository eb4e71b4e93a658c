"""A server of Redis for tests, for this machine alone and with a password."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs

PASSWORD = "not-to-be-printed"


class Server:
    """A server that may be stopped and started; it forgets nothing that it has confirmed."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.port = programs.free_port()
        self._settings = settings
        self.start()

    def start(self) -> None:
        """Start it."""
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD]
        self._program = programs.Program(
            ["redis-server", *where, *kept, *self._settings], "Ready to accept connections"
        )

    def stop(self) -> None:
        """Stop it; what it has stays."""
        self._program.stop()

    def fresh_database(self) -> str:
        """Empty the server and return its address, without the password."""
        import redis

        with redis.Redis(port=self.port, password=PASSWORD) as client:
            client.flushall()
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def serving(*settings: str) -> Iterator[Server]:
    """Run a server of its own until the block ends; skip where it is not installed.

    Args:
        settings: of its command line, in addition to those that it has anyway.
    """
    if shutil.which("redis-server") is None:
        pytest.skip("Redis: no redis-server on the PATH; Debian has it in redis-server")
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        server = Server(Path(name), *settings)
        try:
            yield server
        finally:
            server.stop()
