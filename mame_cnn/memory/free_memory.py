"""How much memory is free for tensors, on a GPU or on this machine."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

RESERVE = 0.1
"""Share of what is free that is left to other programs and to holes between tensors."""
PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


def usable_bytes(device: torch.device) -> int:
    """Return how many bytes of tensors the device has room for, less the reserve."""
    return round((1 - RESERVE) * free_bytes(device))


def free_bytes(device: torch.device) -> int:
    """Return how many bytes are free on the device, once torch has given back what it holds."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held
    give_back(device)
    return min(_machine_bytes(), *_container_bytes())


def give_back(device: torch.device) -> None:
    """Return memory that this process freed but holds to the system.

    On a CPU that is what `mame_cnn.process` makes glibc hold. It is not all used again: a block
    of 64 MiB whose neighbours have changed was not found to fit the next tensor of 64 MiB (glibc
    2.36), so that a process grew by that much each time.
    """
    if device.type == "cuda":
        with suppress(torch.AcceleratorError):  # a GPU that has failed gives nothing back
            torch.cuda.empty_cache()
    elif sys.platform.startswith("linux"):
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if malloc_trim is not None:
            malloc_trim(0)


def _machine_bytes() -> int:
    """Return what the machine could give without swapping; all it has where it cannot tell."""
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        if not hasattr(os, "sysconf"):
            return sys.maxsize  # Windows: no limit is known
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kib = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kib) * 1024


def _container_bytes() -> Iterator[int]:
    """Yield what each control group around this process may still take (Linux, version 2)."""
    yield sys.maxsize
    try:
        groups = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    own = next((line.removeprefix("0::/") for line in groups if line.startswith("0::/")), None)
    if own is None:
        return
    for folder in (CGROUP / own, *(CGROUP / own).parents):
        if folder.is_relative_to(CGROUP):
            yield from _group_bytes(folder)


def _group_bytes(folder: Path) -> Iterator[int]:
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:  # the root has no limit, and hides that it might
        return
    if limit != "max":
        # Pages of files are given back when memory is wanted.
        yield int(limit) - used + int(counts["inactive_file"]) + int(counts["active_file"])
