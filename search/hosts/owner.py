"""Who runs a trial: host, process and the process's start, so that a dead one can be told.

A process number alone would not do: numbers are used again. Processes of another host cannot
be looked at, so they count as alive as long as their hearts beat: see `search.hosts.heartbeat`.
"""

import hashlib
import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from search.hosts.out_of_memory import n_oom_kills
from search.hosts.slurm import slurm_job

OOM_KILLS = "oom_kills"
"""How many processes the kernel had killed for want of memory when this one began its trial."""
_MACHINE_ID = Path("/etc/machine-id")
_PROC = Path("/proc")
_STATE, _START_TIME = 0, 19  # fields after the command's name in /proc/PID/stat (man 5 proc)


def this_process() -> dict[str, str | int]:
    """Return the identity of this process, as plain values."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "namespace": _namespace(),
        "pid": pid,
        "started": process_start(pid) or "",
        OOM_KILLS: n_oom_kills(),
        **slurm_job(),
    }


def is_here(owner: Mapping[str, Any]) -> bool:
    """Tell whether a process is of this host, where it can be looked at."""
    own = {"host": socket.gethostname(), "machine": _machine(), "namespace": _namespace()}
    # Many machines are called localhost, and containers number their processes for themselves.
    return all(owner.get(name, own[name]) == value for name, value in own.items())


def is_dead(owner: Mapping[str, Any]) -> bool:
    """Tell whether a process of this host has ended; False for processes of other hosts."""
    pid = owner.get("pid")
    if not is_here(owner) or not isinstance(pid, int):
        return False
    try:
        return process_start(pid) != str(owner.get("started"))
    except OSError:  # it is there, and may not be looked at
        return False


def death(owner: Mapping[str, Any]) -> str | None:
    """Say how a process of this host has ended; None for one that lives, or is of another host."""
    if not is_dead(owner):
        return None
    n_then = owner.get(OOM_KILLS)
    is_short_of_memory = isinstance(n_then, int) and n_oom_kills() > n_then
    return f"its process has died{', perhaps for want of memory' if is_short_of_memory else ''}"


def _namespace() -> str:
    """Return which numbering of processes this one's number is of (Linux)."""
    try:
        return os.readlink(_PROC / "self" / "ns" / "pid")
    except OSError:
        return ""


def _machine() -> str:
    """Return what tells machines of one name apart; the same after a restart."""
    try:
        return hashlib.sha256(_MACHINE_ID.read_bytes()).hexdigest()[:8]
    except OSError:
        return ""


def process_start(pid: int) -> str | None:
    """Return when a process started, in the system's own form; None if it has ended.

    `OSError` where it is there and hidden.
    """
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
    except (FileNotFoundError, ProcessLookupError):
        with suppress(ProcessLookupError):
            os.kill(pid, 0)  # sends nothing; only who is there can be hidden (hidepid)
            raise
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    # The command's name stands in parentheses and may hold anything, parentheses included.
    fields = text.rpartition(")")[2].split()
    is_zombie = fields[_STATE] in "ZX"
    # Ticks since boot are only an identity together with the boot.
    return None if is_zombie else f"{boot[:8]}:{fields[_START_TIME]}"
