"""How many workers a search has on this machine, and what each of them gets of it."""

import os
from dataclasses import dataclass

from commands.errors import UserError


@dataclass(frozen=True)
class Share:
    """What one worker computes with."""

    device: str
    """`cpu`, or a GPU of the worker's own."""
    n_threads: int


def shares(n_wanted: int | None, device: str, *, n_gpus: int, n_cores: int) -> tuple[Share, ...]:
    """Divide the machine among as many workers as wanted, or as the default says if None.

    Raises `UserError` for more workers than there are GPUs, or cores where no GPU is used.

    Args:
        device: `cpu`, `cuda` for all GPUs there are, or one of them, such as `cuda:1`.
    """
    n_workers = default_workers(device, n_gpus) if n_wanted is None else n_wanted
    if n_workers == 1:
        return (Share(device, n_cores),)
    if device == "cuda":
        n_places, places = n_gpus, f"torch sees {n_gpus} here"
        devices = [f"cuda:{index}" for index in range(n_workers)]
    elif device == "cpu":
        n_places, places = n_cores, f"there are {n_cores} here"
        devices = ["cpu"] * n_workers
    else:
        n_places, places = 1, "give --device cuda for all GPUs"
        devices = []
    if n_workers > n_places:
        own = "core" if device == "cpu" else "GPU"
        raise UserError(
            f"--workers {n_workers} on {device}: each needs a {own} of its own, and {places}"
        )
    n_threads = max(1, n_cores // n_workers)
    return tuple(Share(own_device, n_threads) for own_device in devices)


def default_workers(device: str, n_gpus: int) -> int:
    """Return the number of workers if none is given: one a GPU, and one on a CPU.

    One process repeats a study exactly from the same seed. Several see trials end in another
    order each time, so samplers that learn from them draw others.
    """
    return max(1, n_gpus) if device == "cuda" else 1


def n_usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # systems that cannot tell, such as macOS
