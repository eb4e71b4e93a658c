"""Who runs a trial: host, process and the process's start, so that a dead one can be told.

A process number alone would not do: numbers are used again. Processes of another host cannot
be looked at, so they count as alive.
"""

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_STATE, _START_TIME = 0, 19  # fields after the command's name in /proc/PID/stat (man 5 proc)


def this_process() -> dict[str, str | int]:
    """Return the identity of this process, as plain values."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": process_start(pid) or ""}


def is_dead(owner: Mapping[str, Any]) -> bool:
    """Tell whether a process of this host has ended; False for processes of other hosts."""
    if owner.get("host") != socket.gethostname():
        return False
    return process_start(int(owner["pid"])) != str(owner["started"])


def process_start(pid: int) -> str | None:
    """Return when a process started, in the system's own form; None if it has ended."""
    if (_PROC / "self" / "stat").exists():
        return _start_from_proc(pid)
    if os.name != "posix":
        return ""  # unknown: equal to what `this_process` says there, so never taken for dead
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.strip() or None


def _start_from_proc(pid: int) -> str | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # The command's name stands in parentheses and may hold anything, parentheses included.
    fields = text.rpartition(")")[2].split()
    is_zombie = fields[_STATE] in "ZX"
    # Ticks since boot are only an identity together with the boot.
    return None if is_zombie else f"{boot[:8]}:{fields[_START_TIME]}"
