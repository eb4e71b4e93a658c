"""Whether networks fit into memory, and what is said where they do not."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from mame_cnn.device import check_device
from mame_cnn.memory.free_memory import give_back, usable_bytes
from mame_cnn.memory.step_memory import StepMemory

Result = TypeVar("Result")

_SHORTAGES = (
    "DefaultCPUAllocator",
    "_STATUS_ALLOC_FAILED",
    "_ALLOCATION_FAILED",
    "CUDA error: out of memory",
)
"""Of torch on a CPU; of cuBLAS; of cuDNN 9; of a GPU asked by others than torch's allocator."""
_NO_ENGINE = "unable to find an engine to execute this computation"
"""Of torch where cuDNN has no way to compute a layer, also when none gets its workspace."""
_MUCH = 0.5
"""Of what is free: a step that needs more may well have left too little for a workspace."""


def halved_until_it_fits(wanted: int, need: StepMemory, device: torch.device) -> int:
    """Return how many networks of the wanted number there is room for, at least 1."""
    free = usable_bytes(device)
    while wanted > 1 and need.total(wanted) > free:
        wanted //= 2
    return wanted


def check_room(
    n_members: int, need: StepMemory, device: torch.device, *, n_there: int = 0
) -> None:
    """Raise `MemoryError` if there is no room for so many networks.

    Args:
        n_there: how many of them are there already, with their weights.
    """
    needed, free = need.total(n_members) - n_there * need.kept, usable_bytes(device)
    if needed > free:
        raise MemoryError(_shortage(n_members, needed, free))


def within_memory(
    act: Callable[[], Result], n_members: int, need: StepMemory, device: torch.device
) -> Result:
    """Return what `act` does; `MemoryError` where torch says that memory is short.

    `DeviceError` where the GPU itself has failed.
    """
    try:
        return act()
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error) and not (
            _NO_ENGINE in str(error) and need.total(n_members) > _MUCH * usable_bytes(device)
        ):
            check_device(device, error)
            raise
        reason = str(error).partition("\n")[0]
    # Out here the exception is gone, and with it the tensors that its traceback held, but for
    # those in a cycle.
    gc.collect()
    give_back(device)
    message = _shortage(n_members, need.total(n_members), usable_bytes(device))
    raise MemoryError(f"{message} ({reason})")


def is_shortage(error: RuntimeError | MemoryError) -> bool:
    """Whether an allocator failed: torch's has an exception for GPUs and a text for CPUs."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        text in str(error) for text in _SHORTAGES
    )


def _shortage(n_members: int, needed: int, free: int) -> str:
    who = "one network needs" if n_members == 1 else f"{n_members} networks need"
    return f"{who} {_gib(needed)} for a step, {_gib(free)} are free"


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"
