"""The energy that a device has used, where it tells.

An NVIDIA GPU (Volta or newer) counts it; NVML tells through the package nvidia-ml-py, if that is
installed. Of a CPU, Linux tells what RAPL counts for whole packages, often to root alone. Both
count for the whole device: whatever else runs there is in it.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")
MOST_W = 500
"""A CPU package draws no more for long: thermal design power of EPYC 9965 and Xeon 6980P."""


@dataclass(frozen=True)
class Counter:
    """Counts energy upwards from an arbitrary start."""

    read: Callable[[], int | None]
    """Returns None where the device does not tell."""
    unit_j: float
    """Joules of one count."""
    goes_round_at: int | None = None
    """The count after which it starts again at 0; None: never."""

    def used_j(self, before: int, after: int, elapsed_s: float) -> float | None:
        """Return the joules between two counts; None where they cannot tell."""
        counts = after - before
        if self.goes_round_at is not None:
            if elapsed_s * MOST_W > self.goes_round_at * self.unit_j:
                return None  # it may have gone round more than once
            counts += self.goes_round_at if counts < 0 else 0
        return counts * self.unit_j if counts >= 0 else None  # it was reset, with its driver


@dataclass(frozen=True)
class Reading:
    """What all counters of a device said at one time."""

    at_s: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Meter:
    """Reads a device's energy before and after a piece of work; a reading waits for no kernel."""

    counters: Sequence[Counter] = ()
    """All of them must tell; without any, nothing is known."""
    n_sharing: int = 1
    """Processes that are at work on the device, each of which is taken to use as much."""

    def read(self) -> Reading | None:
        """Return what the counters say now; None if not all tell."""
        counts = [counter.read() for counter in self.counters]
        told = tuple(count for count in counts if count is not None)
        if not told or len(told) < len(counts):
            return None
        return Reading(time.monotonic(), told)

    def share_j(self, since: Reading | None, n_members: int) -> float | None:
        """Return the joules since a reading for each of so many members; None if not known."""
        now = self.read() if since is not None else None
        if since is None or now is None:
            return None
        used = [
            counter.used_j(before, after, now.at_s - since.at_s)
            for counter, before, after in zip(self.counters, since.counts, now.counts, strict=True)
        ]
        known = [joules for joules in used if joules is not None]
        return sum(known) / n_members / self.n_sharing if len(known) == len(used) else None


UNMETERED = Meter()
"""Knows nothing."""


def meter_of(device: torch.device, n_sharing: int = 1) -> Meter:
    """Return the device's meter; it knows nothing where the device does not tell.

    Args:
        n_sharing: processes that divide what the device uses evenly among them.
    """
    counters = _nvml_counters(device) if device.type == "cuda" else _rapl_counters()
    return Meter(counters, n_sharing)


def _nvml_counters(device: torch.device) -> tuple[Counter, ...]:
    """Return the GPU's counter of millijoules, as far as NVML knows the GPU."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return ()
    # By its name: NVML numbers all GPUs, torch those of CUDA_VISIBLE_DEVICES. A part of a GPU
    # (MIG) has a name that is no GPU's; its energy is not counted apart.
    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(name)
    except nvml.NVMLError:
        return ()

    def read() -> int | None:
        try:
            return int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except nvml.NVMLError:
            return None

    return (Counter(read, unit_j=1e-3),)


def _rapl_counters() -> tuple[Counter, ...]:
    """Return the counters of microjoules of the machine's CPU packages, if all can be read."""
    try:
        # Zones `intel-rapl:0:1` are parts of packages, `psys` is the whole machine.
        packages = [
            zone
            for zone in sorted(POWERCAP.glob("intel-rapl:*"))
            if zone.name.count(":") == 1 and (zone / "name").read_text().startswith("package")
        ]
        return tuple(map(_rapl_counter, packages))
    except (OSError, ValueError):
        return ()


def _rapl_counter(zone: Path) -> Counter:
    def read() -> int | None:
        try:
            return int((zone / "energy_uj").read_text())
        except (OSError, ValueError):
            return None

    most = int((zone / "max_energy_range_uj").read_text())
    return Counter(read, unit_j=1e-6, goes_round_at=most)
