"""Processes that train together, as threads of one: sums without a network, in a fixed order."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from mame_cnn.distribution.processes import Ranks

Result = TypeVar("Result")
_LONGEST_WAIT_S = 60.0


class _Meeting:
    def __init__(self, n: int):
        self._barrier = threading.Barrier(n)
        self._brought: list[Tensor] = [torch.empty(0)] * n

    def exchange(self, rank: int, tensor: Tensor) -> list[Tensor]:
        self._brought[rank] = tensor.clone()
        self._barrier.wait(_LONGEST_WAIT_S)
        all_of_them = list(self._brought)
        self._barrier.wait(_LONGEST_WAIT_S)
        return all_of_them

    def abort(self) -> None:
        self._barrier.abort()


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    meeting: _Meeting = field(kw_only=True)

    def sum(self, tensor: Tensor) -> Tensor:
        brought = self.meeting.exchange(self.rank, tensor)
        return tensor.copy_(torch.stack(brought).sum(0))

    def take_first(self, tensor: Tensor) -> Tensor:
        return tensor.copy_(self.meeting.exchange(self.rank, tensor)[0])


def in_ranks(n: int, act: Callable[[Ranks], Result]) -> list[Result]:
    """Do something in n threads at once; return what each returned, the first one first."""
    meeting = _Meeting(n)

    def one(rank: int) -> Result:
        try:
            return act(ThreadRanks(rank, n, meeting=meeting))
        except BaseException:
            meeting.abort()
            raise

    with ThreadPoolExecutor(n) as threads:
        return list(threads.map(one, range(n)))
