"""Which device to compute on."""

import math
import time

import torch

from commands.errors import UserError

_SHORTEST_S, _LONGEST_S = 0.0005, 0.02
_OVERTIME = 0.01
"""What a wait may take too long, as a share of it. Who asks so seldom leaves the processor idle,
by which `search.workers` tells a GPU that hangs."""


class DeviceError(SystemExit):
    """A GPU that has failed: no call of this process to it works any more, only a new process's.

    So it ends the process, whatever it was busy with: workers of a search are replaced, and go on
    from checkpoints.
    """


def choose_device(name: str) -> torch.device:
    """Return the device called `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:1`.

    Raises `UserError` for another name and for a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: expected auto, cpu, cuda or cuda:NUMBER")
    if device.type == "cuda":
        n_devices = torch.cuda.device_count()
        if (device.index or 0) >= n_devices:
            raise UserError(f"--device {name}: torch sees {n_devices} CUDA devices here")
    return device


def make_current(device: torch.device) -> None:
    """Have what names no GPU use this one, in this thread; nothing for a CPU.

    Of `cuda` without a number it is the first: the only one that is seen where a scheduler has
    hidden the others.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)


def check_device(device: torch.device, error: Exception) -> None:
    """Raise `DeviceError` if the device has failed: it is asked, whatever the error says.

    An illegal access, a failed assertion or a fault of its memory stay with the process, and every
    later call fails; a call that was refused, as for a grid too large, leaves a GPU as it was.
    """
    if device.type != "cuda":
        return
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        reason = str(error).partition("\n")[0]
        raise DeviceError(f"{device} has failed: {reason}") from error


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given; a CPU has."""
    if device.type == "cuda":
        wait_until(marked(device))


def marked(device: torch.device) -> torch.cuda.Event:
    """Return an event that comes once a GPU has done all that it was given so far."""
    end = torch.cuda.Event()
    end.record(torch.cuda.current_stream(device))
    return end


def wait_until(end: torch.cuda.Event, limit_s: float = math.inf) -> None:
    """Wait for an event; `TimeoutError` if it takes longer than the limit.

    Torch's own wait takes a processor for itself, and hears no signal.
    """
    started_s = time.monotonic()
    while not end.query():
        waited_s = time.monotonic() - started_s
        if waited_s > limit_s:
            raise TimeoutError
        time.sleep(min(max(_SHORTEST_S, waited_s * _OVERTIME), _LONGEST_S))
