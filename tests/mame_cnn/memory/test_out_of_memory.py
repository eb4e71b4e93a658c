"""A cohort that runs out of memory leaves none of it taken, whoever still holds the error."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Never

import pytest
import torch

from mame_cnn.cohorts.optimizers import CohortOptimizer
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.trials.trial_cohort import Member, TrialCohort
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data(n_train=40, n_val=30)


@dataclass(frozen=True)
class Trial:
    key: int
    params: dict[str, Value] = field(default_factory=lambda: {"ema_decay": 0.9, "drop_rate": 0.1})
    seed: int = 0
    state: bytes | None = None


def config_of(trial: Member) -> Config:
    params: dict[str, Any] = dict(trial.params)
    return make_config(seed=trial.key, **params)


def tensors() -> list[tuple[int, ...]]:
    gc.collect()
    found = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    return sorted(tuple(one.shape) for one in found)


def on_a_gpu(*_: object, **__: object) -> Never:
    activations = torch.zeros(3, 5, 7)
    raise torch.OutOfMemoryError(f"tried to allocate 2.00 GiB after {activations.shape}")


def on_a_cpu(*_: object, **__: object) -> Never:
    activations = torch.zeros(3, 5, 7)
    raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory after {activations.shape}")


def in_cublas(*_: object, **__: object) -> Never:
    try:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`")
    except RuntimeError as error:
        cycle = error  # the exception's traceback holds this frame, and the frame the exception
        activations = torch.zeros(3, 5, 7)
        raise cycle from ValueError(str(activations.shape))


@pytest.mark.parametrize("place", ["step", "admission"])
@pytest.mark.parametrize("failing", [on_a_gpu, on_a_cpu, in_cublas])
def test_no_tensor_is_left_after_memory_ended_in_the_middle(
    failing: Callable[..., Never], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tensors()
    cohort = TrialCohort([Trial(0), Trial(1)], config_of, DATA)
    cohort.train_epoch()
    assert tensors() != before
    if place == "step":
        monkeypatch.setattr(CohortOptimizer, "step", failing)
        with pytest.raises(MemoryError, match="2 networks need") as caught:
            cohort.train_epoch()
    else:
        monkeypatch.setattr(CohortOptimizer, "admit", failing)
        with pytest.raises(MemoryError, match="3 networks need") as caught:
            cohort.admit([Trial(2)])
    assert tensors() == before  # though the error, and with it the cohort, is still held
    assert caught.traceback


def test_the_next_cohort_starts_as_if_nothing_had_been(monkeypatch: pytest.MonkeyPatch) -> None:
    [expected] = TrialCohort([Trial(0)], config_of, DATA).train_epoch()
    first = TrialCohort([Trial(0), Trial(1)], config_of, DATA)
    with monkeypatch.context() as patch:
        patch.setattr(CohortOptimizer, "step", on_a_cpu)
        with pytest.raises(MemoryError):
            first.train_epoch()
    [result] = TrialCohort([Trial(0)], config_of, DATA).train_epoch()
    assert result.metrics == expected.metrics
