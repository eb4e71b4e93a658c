import signal
from types import FrameType

import pytest
import torch

from commands.errors import UserError
from mame_cnn.device import choose_device, make_current, wait_for


@pytest.fixture
def made_current(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the GPUs that torch was told to use, in order."""
    numbers: list[int] = []
    monkeypatch.setattr(torch._C, "_cuda_setDevice", numbers.append, raising=False)
    return numbers


@pytest.mark.parametrize(("name", "expected"), [("cpu", []), ("cuda", [0]), ("cuda:1", [1])])
def test_a_gpu_is_made_current_by_its_number_or_as_the_first(
    name: str, expected: list[int], made_current: list[int]
) -> None:
    make_current(torch.device(name))
    assert made_current == expected


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:x", ""])
def test_what_is_no_device_is_a_mistake(name: str) -> None:
    with pytest.raises(UserError, match="expected auto, cpu, cuda or cuda:NUMBER"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda") == torch.device("cuda")
    with pytest.raises(UserError, match="--device cuda:1: torch sees 1 CUDA devices here"):
        choose_device("cuda:1")


class FakeEvent:
    """An event of a GPU that is done after so many questions, or never."""

    n_until_done = 0

    def __init__(self) -> None:
        self.recorded: object = None

    def record(self, stream: object) -> None:
        self.recorded = stream

    def query(self) -> bool:
        assert self.recorded == "the stream of cuda:1"
        FakeEvent.n_until_done -= 1
        return FakeEvent.n_until_done == 0


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")


@pytest.mark.usefixtures("fake_gpu")
def test_a_gpu_is_waited_for_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEvent, "n_until_done", 3)
    wait_for(torch.device("cuda:1"))
    assert FakeEvent.n_until_done == 0


@pytest.mark.usefixtures("fake_gpu")
def test_a_signal_is_heard_while_a_gpu_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            wait_for(torch.device("cuda:1"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_cpu_is_not_waited_for() -> None:
    wait_for(torch.device("cpu"))
