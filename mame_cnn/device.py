"""Which device to compute on."""

import time

import torch

from commands.errors import UserError

_POLL_S = 0.0005
"""Of an epoch, half a step of the smallest networks at most."""


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


def check_device(error: Exception) -> None:
    """Raise `DeviceError` if torch tells by this error that the GPU itself has failed.

    An illegal access, a failed assertion or a fault of its memory stay with the process; that
    memory is short does not: see `mame_cnn.memory.room.is_shortage`, which is to be asked first.
    """
    if isinstance(error, torch.AcceleratorError):
        reason = str(error).partition("\n")[0]
        raise DeviceError(f"the GPU has failed: {reason}") from error


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given; a CPU has.

    Torch's own wait takes a processor for itself, and hears no signal: of a GPU that waits for
    another process, which has died, it never comes back.
    """
    if device.type != "cuda":
        return
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(device))
    while not done.query():
        time.sleep(_POLL_S)
