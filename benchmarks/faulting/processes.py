"""The processes of a round: started here, found by their environment, ended by their numbers."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_BETWEEN_LOOKS_S = 0.02


class Run:
    """A command that runs, and what it prints."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], output: Path
    ) -> None:
        self.output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=output.parent,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """With what it ended; minus the signal that killed it; None while it runs."""
        return self._process.poll()

    def wait(self, limit_s: float) -> bool:
        """Wait for its end; return whether it came in time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)
        return not self.is_running

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it, if it still runs."""
        self._process.send_signal(number)

    def text(self) -> str:
        """Return what it has printed so far."""
        return self.output.read_text(errors="replace")


def marked(mark: str) -> dict[int, bool]:
    """Return the processes with this variable in their environment, and which are workers."""
    found = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended, or belongs to somebody else
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = b"--as-worker" in (folder / "cmdline").read_bytes()
    return found


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process; return whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_marked(mark: str) -> None:
    """Kill the processes of a mark, those first that would start others."""
    while found := marked(mark):
        for pid in sorted(found, key=lambda pid: found[pid]):
            send(pid, signal.SIGKILL)
        time.sleep(_BETWEEN_LOOKS_S)


def wait_for_none(mark: str, limit_s: float) -> bool:
    """Wait until no process of a mark is left; return whether that came in time."""
    until_s = time.monotonic() + limit_s
    while marked(mark):
        if time.monotonic() > until_s:
            return False
        time.sleep(_BETWEEN_LOOKS_S)
    return True
