"""The processes of this machine and who started whom."""

import subprocess


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent in pairs}


def line_of(pid: int, known: dict[int, int]) -> list[int]:
    """Return a process and all from whom it descends."""
    line = [pid]
    while line[-1] in known:
        line.append(known[line[-1]])
    return line
