"""What a result was computed with: versions, device, commit."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGE = "mame-cnn-search"


def environment(device: torch.device, precision: torch.dtype) -> dict[str, str]:
    """Return versions, device, precision and commit as short strings."""
    on_gpu = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "mame_cnn": _installed_version(),
        "commit": _commit(),
        "device": torch.cuda.get_device_name(device) if on_gpu else f"cpu ({platform.machine()})",
        "precision": str(precision).removeprefix("torch."),
    }


def _installed_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the short commit of this checkout, with a + when it was changed since."""
    command = ["git", "-C", str(Path(__file__).parent), "describe"]
    options = ["--always", "--dirty=+", "--exclude=*"]
    try:
        answer = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return answer.stdout.strip()
