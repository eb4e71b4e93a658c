"""A PostgreSQL server for a while, from the programs that are installed.

Not pytest-postgresql: it starts servers as whoever runs it, and they refuse to run as root, as
whom tests run in many containers. This one listens on a socket in its own folder: it needs no
port, and nobody else reaches it. It forces nothing to the disk, as nothing of it is kept.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

_DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian and its kin keep the server's programs, by version, and off the PATH."""
_ACCOUNTS = ("postgres", "nobody")
"""Who runs the server where we are root."""
_USER = "search"
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
full_page_writes = off
synchronous_commit = off
"""


@dataclass(frozen=True)
class Server:
    """A running server."""

    programs: Path
    folder: Path

    def fresh_database(self) -> str:
        """Make a database and return its address."""
        name = f"studies_{uuid4().hex}"
        where = ["--host", str(self.folder), "--username", _USER]
        subprocess.run([str(self.programs / "createdb"), *where, name], check=True)
        return f"postgresql://{_USER}@/{name}?host={self.folder}"


def find_programs() -> Path | None:
    """Return the folder of the server's programs; None if it is not installed."""
    folders = (path for path in _folders() if (path / "initdb").exists())
    return next(folders, None)


def _folders() -> Iterator[Path]:
    if pg_config := shutil.which("pg_config"):
        told = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        yield Path(told.stdout.strip())
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    yield from sorted(
        _DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )


@contextmanager
def serving(programs: Path, more: str = "") -> Iterator[Server]:
    """Run a server of its own until the block ends.

    Args:
        programs: the folder with initdb and pg_ctl.
        more: lines of its postgresql.conf, which count more than those here.
    """
    # Not in a test's own folder: the path of a socket may have 107 bytes (man 7 unix).
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        account = _account()
        if account:
            os.chown(folder, account["user"], account["group"])

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "--pgdata", str(folder / "data"), *arguments]
            with (folder / "output").open("w+") as output:
                done = subprocess.run(
                    command, cwd=folder, stdout=output, stderr=output, check=False, **account
                )
                output.seek(0)
                assert done.returncode == 0, f"{program}: {output.read()}"

        run("initdb", "--username", _USER, "--auth=trust", "--encoding=UTF8", "--no-sync")
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(folder=folder) + more)
        run("pg_ctl", "--log", str(folder / "log"), "--wait", "start")
        try:
            yield Server(programs, folder)
        finally:
            run("pg_ctl", "--mode=immediate", "--wait", "stop")


def _account() -> dict[str, Any]:
    """Return as whom to start programs, for `subprocess`; nothing where we are not root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in _ACCOUNTS if name in known)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}
