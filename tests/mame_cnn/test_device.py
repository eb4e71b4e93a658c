import signal

import pytest
import torch

from commands.errors import UserError
from mame_cnn.device import choose_device, make_current, marked, wait_for, wait_until
from tests.mame_cnn.slow_gpu import SlowGpu, slow_gpu


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


SECONDS = 60.0
GPU = torch.device("cuda:1")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SlowGpu:
    return slow_gpu(monkeypatch, SECONDS)


def test_a_gpu_is_waited_for_by_asking_it_ever_more_seldom(gpu: SlowGpu) -> None:
    wait_for(GPU)
    assert gpu.marked == ["the stream of cuda:1"]
    assert SECONDS <= gpu.monotonic() < 1.01 * SECONDS
    assert gpu.sleeps[0] < 0.001
    assert len(gpu.sleeps) < 100 * SECONDS  # of microseconds each: far from 1 % of a processor


def test_a_wait_has_an_end(gpu: SlowGpu) -> None:
    with pytest.raises(TimeoutError):
        wait_until(marked(GPU), SECONDS / 2)
    assert SECONDS / 2 < gpu.monotonic() < SECONDS


def test_signals_are_heard_while_a_gpu_is_waited_for(
    gpu: SlowGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "sleep", lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        wait_for(GPU)


def test_a_cpu_is_not_waited_for() -> None:
    wait_for(torch.device("cpu"))
