import pytest
import torch

from mame_cnn.distribution.pace import LIMIT_S, Pace
from mame_cnn.distribution.processes import RanksLostError
from tests.mame_cnn.slow_gpu import slow_gpu

GPU = torch.device("cuda:0")


def test_the_host_is_two_steps_ahead_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = slow_gpu(monkeypatch, seconds=1)
    pace = Pace(GPU)
    for _ in range(2):
        pace.step_queued()
    assert gpu.monotonic() == 0
    pace.step_queued()  # waits for the first
    assert gpu.monotonic() == pytest.approx(1, rel=0.02)
    pace.finish()
    assert gpu.monotonic() == pytest.approx(2, rel=0.02)
    assert gpu.marked == ["the stream of cuda:0"] * 4


@pytest.mark.parametrize("n_steps", [0, 3], ids=["at the end", "in the steps"])
def test_a_process_that_never_comes_is_lost(monkeypatch: pytest.MonkeyPatch, n_steps: int) -> None:
    gpu = slow_gpu(monkeypatch, seconds=10 * LIMIT_S)
    pace = Pace(GPU)

    def train() -> None:
        for _ in range(n_steps):
            pace.step_queued()
        pace.finish()

    with pytest.raises(RanksLostError, match=r"for other processes .* for 600 s"):
        train()
    assert LIMIT_S < gpu.monotonic() < 1.02 * LIMIT_S


def test_a_cpu_has_no_pace() -> None:
    pace = Pace(torch.device("cpu"))
    for _ in range(9):
        pace.step_queued()
    pace.finish()
