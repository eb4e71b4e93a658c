"""The processes that train one network together, as `torchrun` starts them.

Each has the same configuration, the same images and the same weights, and computes its rows of
every batch. The first one alone writes and displays. What a process needs of others is a sum.
"""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from itertools import pairwise
from types import FrameType

import torch
import torch.distributed as dist
from torch import Tensor

from commands.errors import UserError

HEAD_START_S = 20.0
"""How long a process waits for the first one to say what both know, or to write after Ctrl-C.

torchrun ends it sooner, once the first one has ended, and kills whoever is left after 30 s.
"""


class RanksLostError(UserError):
    """Another process of the training has ended, so that this one cannot go on."""


@dataclass(frozen=True)
class Ranks:
    """How many processes train together, and which of them this one is."""

    rank: int = 0
    n: int = 1
    local_rank: int = 0
    """Its number among those of its host."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Ranks":
        """Return what torchrun says; one process where it did not start this one."""
        if "TORCHELASTIC_RUN_ID" not in environment:  # MPI and Slurm set some of the others
            return ALONE
        numbers = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return cls(*numbers)

    @property
    def is_first(self) -> bool:
        """Whether this process writes and displays."""
        return self.rank == 0

    def rows(self, n_images: int) -> slice:
        """Return which of so many images are this process's: shares differ by one at most."""
        return slice(self._start(self.rank, n_images), self._start(self.rank + 1, n_images))

    def counts(self, n_images: int) -> list[int]:
        """Return how many of so many images each process has."""
        starts = [self._start(rank, n_images) for rank in range(self.n + 1)]
        return [end - start for start, end in pairwise(starts)]

    def sum(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by the sum of all processes' ones, the same bits in each; return it."""
        with _noticing_loss(self):
            dist.all_reduce(tensor)
        return tensor

    def take_first(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by that of the first process; return it."""
        with _noticing_loss(self):
            dist.broadcast(tensor, src=0)
        return tensor

    def device_name(self, wanted: str) -> str:
        """Return the device of this process: each has a GPU of its own, or all are on the CPU."""
        if self.n == 1 or wanted == "cpu":
            return wanted
        if wanted not in ("auto", "cuda"):
            raise UserError(
                f"--device {wanted}: torchrun gives each process a GPU of its own; choose cuda, "
                "auto or cpu"
            )
        has_gpu = torch.cuda.is_available()
        return f"cuda:{self.local_rank}" if has_gpu or wanted == "cuda" else "cpu"

    def _start(self, rank: int, n_images: int) -> int:
        return n_images * rank // self.n


ALONE = Ranks()


@contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Connect the processes while the block runs; one alone needs no connection."""
    if ranks.n == 1:
        yield
        return
    if ranks.is_first:
        # torchrun sends SIGTERM when another process has failed: what there is, is kept then too.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
    else:
        _leave_ctrl_c_to_the_first()
    if device.type == "cuda":
        torch.cuda.set_device(device)
        # NCCL's watchdog would end this process at once, and with it the best epoch: see `Pace`.
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield
    if not _is_ending.is_set():  # else there may be nobody left to take leave of
        dist.destroy_process_group()


@contextmanager
def said_by_the_first(ranks: Ranks) -> Iterator[None]:
    """Let the first process alone say mistakes that all of them find."""
    if ranks.is_first:
        yield
        return
    try:
        with redirect_stderr(io.StringIO()):
            yield
    except (UserError, SystemExit):
        time.sleep(HEAD_START_S)
        raise SystemExit(2) from None


@contextmanager
def named_by_rank(ranks: Ranks) -> Iterator[None]:
    """Let mistakes that one process finds name it."""
    try:
        yield
    except UserError as error:
        if ranks.n == 1:
            raise
        raise UserError(f"process {ranks.rank} of {ranks.n}: {error}") from error


_is_ending = threading.Event()
"""Set by Ctrl-C, by SIGTERM in the first process, and by the loss of another one."""


@contextmanager
def _noticing_loss(ranks: Ranks) -> Iterator[None]:
    """Tell by `RanksLostError` that the connection to others has broken."""
    try:
        yield
    except RuntimeError as error:
        if _is_ending.is_set() and not ranks.is_first:
            os._exit(130)  # the first one has ended; there is nothing more to do or say
        begin_to_end()
        reason = next(iter(str(error).splitlines()), "")
        raise RanksLostError(f"another process of the training has ended ({reason})") from error


def _stop(number: int, frame: FrameType | None) -> None:
    begin_to_end()
    raise KeyboardInterrupt


def begin_to_end() -> None:
    """Have time to write what there is: torchrun sends SIGTERM to whoever has not ended."""
    _is_ending.set()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _leave_ctrl_c_to_the_first() -> None:
    """Go on after Ctrl-C, as the first process may need this one to come to where it can stop.

    A thread sees to the end, for the main one may wait for a device that never answers.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def end() -> None:
        os.read(reading, 1)
        _is_ending.set()
        time.sleep(HEAD_START_S)
        os._exit(130)

    threading.Thread(target=end, daemon=True).start()
