"""A GPU that needs time for what it is given, by a clock that only waits for it move."""

import pytest
import torch


class SlowGpu:
    """Does all that it was given `seconds` after it was given it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.sleeps: list[float] = []
        self.marked: list[object] = []
        """The stream of each event that was recorded."""

    def monotonic(self) -> float:
        return sum(self.sleeps)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)


def slow_gpu(monkeypatch: pytest.MonkeyPatch, seconds: float) -> SlowGpu:
    """Have torch's events and the clock of waits be those of such a GPU."""
    gpu = SlowGpu(seconds)

    class Event:
        def record(self, stream: object) -> None:
            gpu.marked.append(stream)
            self.at_s = gpu.monotonic() + gpu.seconds

        def query(self) -> bool:
            return gpu.monotonic() >= self.at_s

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    monkeypatch.setattr("mame_cnn.device.time", gpu)
    return gpu
