"""How far the host may run ahead of a GPU that trains with those of other processes.

A GPU that waits for a process which has died waits for ever. What is queued behind that fills up
after some thousand calls, and then the host hangs inside a call of CUDA, where it hears no signal.
"""

from collections import deque

import torch

from mame_cnn.device import marked, wait_until
from mame_cnn.distribution.processes import RanksLostError

_AHEAD = 2
"""Steps that are queued at once; networks of a few hundred calls a step stay far from full."""
LIMIT_S = 600.0
"""For steps that are queued: NCCL's own limit for one of its calls, which is not in force here."""


class Pace:
    """Waits for earlier steps from Python, which hears signals."""

    def __init__(self, device: torch.device) -> None:
        """Begin without a step; on a CPU, which does each call at once, there is nothing to do."""
        self._device = device
        self._ends: deque[torch.cuda.Event] = deque()

    def step_queued(self) -> None:
        """Wait until no more than a few steps are under way; `RanksLostError` if that is long."""
        if self._device.type == "cuda":
            self._ends.append(marked(self._device))
            if len(self._ends) > _AHEAD:
                self._wait(self._ends.popleft())

    def finish(self) -> None:
        """Wait for all that was queued; `RanksLostError` if that takes too long."""
        if self._device.type == "cuda":
            self._ends.clear()
            self._wait(marked(self._device))

    def _wait(self, end: torch.cuda.Event) -> None:
        try:
            wait_until(end, LIMIT_S)
        except TimeoutError as error:
            raise RanksLostError(
                f"the GPU has waited for other processes of the training for {LIMIT_S:.0f} s"
            ) from error
