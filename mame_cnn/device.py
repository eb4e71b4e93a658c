"""Which device to compute on."""

import torch

from commands.errors import UserError


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
