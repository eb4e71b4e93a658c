"""What the kernel's out-of-memory killer has done, as far as it tells (Linux)."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")


def n_oom_kills() -> int:
    """Return how many processes around this one were killed for want of memory since the start.

    Of this process's control group where it is limited, else of the machine; 0 where nobody tells.
    """
    for path in (_own_group() / "memory.events", _PROC / "vmstat"):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def _own_group() -> Path:
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return _CGROUP
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    return _CGROUP / own
