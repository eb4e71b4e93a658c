"""A server of MySQL's kind for tests: MariaDB, as Debian has no other.

It listens on a socket in its own folder: it needs no port, and nobody else reaches it.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests import programs

_ACCOUNT = "nobody"
"""Who runs the server where we are root, as whom it refuses to run."""
_SBIN = "/usr/sbin"
"""Where Debian keeps the server's program, off the PATH of most users."""
_SETTINGS = (
    "--skip-networking",
    "--innodb-use-native-aio=0",  # which some containers do not let it have
    "--innodb-flush-log-at-trx-commit=0",  # nothing of it is kept
)


class Server:
    """A server that may be stopped and started."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.settings = (*_SETTINGS, *settings)
        if os.geteuid() == 0:
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._run("mariadb-install-db", "--auth-root-authentication-method=normal")
        self.start()

    def start(self) -> None:
        """Start it."""
        command = [_program("mariadbd") or "", *self._given(), *self.settings]
        self._program = programs.Program(
            [*command, f"--socket={self.socket}"], "ready for connections"
        )

    def stop(self) -> None:
        """Stop it; what it has stays."""
        self._program.stop()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "s"

    def fresh_database(self) -> str:
        """Make a database and return its address."""
        name, where = f"studies_{uuid4().hex}", f"unix_socket={quote(str(self.socket), safe='')}"
        engine = create_engine(f"mysql+pymysql://root@localhost/?{where}", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return f"mysql://root@localhost/{name}?{where}"

    def _given(self) -> list[str]:
        user = [f"--user={_ACCOUNT}"] if os.geteuid() == 0 else []
        return ["--no-defaults", *user, f"--datadir={self.folder / 'data'}"]

    def _run(self, program: str, *arguments: str) -> None:
        command = [_program(program) or "", *self._given(), *arguments, _SETTINGS[1]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


@contextmanager
def serving(*settings: str) -> Iterator[Server]:
    """Run a server of its own until the block ends; skip where it is not installed.

    Args:
        settings: of its command line, which count more than those that it has anyway.
    """
    if _program("mariadbd") is None or _program("mariadb-install-db") is None:
        pytest.skip("MySQL: no mariadbd with mariadb-install-db; Debian has it in mariadb-server")
    # Not in a test's own folder: the path of a socket may have 107 bytes (man 7 unix).
    with tempfile.TemporaryDirectory(prefix="my-") as name:
        server = Server(Path(name), *settings)
        try:
            yield server
        finally:
            server.stop()


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SBIN)
