import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from mame_cnn.cohorts.progress import EpochResult, Figures, Progress
from mame_cnn.cohorts.val_probabilities import FILE, ValProbabilities
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.trials.trial_cohort import Member, TrialCohort
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data(n_train=40, n_val=30)
LABELS = DATA.val.labels


@dataclass(frozen=True)
class Trial:
    key: int
    params: dict[str, Value] = field(default_factory=dict)
    seed: int = 0
    state: bytes | None = None


def config_of(trial: Member) -> Config:
    params: dict[str, Any] = dict(trial.params)
    return make_config(seed=trial.key, epochs=6, **params)


def results(*accuracies: float, epoch: int = 1, keys: Sequence[int] = ()) -> list[EpochResult]:
    """Return results of members whose accuracy so far was 0.5."""
    told = []
    for key, accuracy in zip(keys or range(len(accuracies)), accuracies, strict=True):
        progress = Progress(make_config(epochs=9).training)
        progress.best_accuracy, progress.epoch = 0.5, epoch - 1
        told.append(progress.ended(key, Figures(0.1, 1.0, 0.0, 0.5, 1.0, accuracy, 1.0)))
    return told


def logits(seed: int, n_members: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_members, len(LABELS), 3, generator=generator, dtype=torch.float64)


def read(content: bytes | None) -> dict[str, npt.NDArray[Any]]:
    assert content is not None
    with np.load(io.BytesIO(content)) as arrays:
        return dict(arrays)


def expected(own: Tensor) -> npt.NDArray[np.float16]:
    """Softmax by its formula, for [N, K]."""
    powers = np.exp(own.numpy())
    half: npt.NDArray[np.float16] = (powers / powers.sum(1, keepdims=True)).astype(np.float16)
    return half


def test_only_a_members_best_epoch_is_kept() -> None:
    kept = ValProbabilities(LABELS)
    kept.take(results(0.6, 0.7), logits(1))
    kept.take(results(0.4, 0.8, epoch=2), logits(2))
    kept.take(results(0.5, 0.5, epoch=3), logits(3))
    first, second = read(kept.file(0)), read(kept.file(1))
    assert first.keys() == {"probs", "labels", "epoch"}
    assert [int(first["epoch"]), int(second["epoch"])] == [1, 2]
    assert np.array_equal(first["probs"], expected(logits(1)[0]))
    assert np.array_equal(second["probs"], expected(logits(2)[1]))
    for arrays in (first, second):
        assert arrays["probs"].dtype == np.float16
        assert arrays["labels"].dtype == np.int64
        assert np.array_equal(arrays["labels"], LABELS.numpy())


def test_a_member_without_a_best_epoch_or_that_was_dropped_has_no_file() -> None:
    kept = ValProbabilities(LABELS)
    kept.take(results(0.6, 0.4), logits(1))
    assert kept.file(0) is not None
    assert kept.file(1) is None
    kept.drop({0, 1})
    assert kept.file(0) is None


def test_a_member_is_kept_under_its_key_in_whatever_slot_it_is() -> None:
    kept = ValProbabilities(LABELS)
    kept.take(results(0.6, 0.6, keys=(8, 3)), logits(1))
    kept.drop({8})
    kept.take(results(0.7, 0.2, keys=(3, 5)), logits(2))
    assert np.array_equal(read(kept.file(3))["probs"], expected(logits(2)[0]))


def test_a_members_probabilities_hold_no_memory_of_the_others() -> None:
    kept = ValProbabilities(LABELS)
    kept.take(results(0.6, *[0.1] * 9), logits(1, n_members=10))
    probs = kept._best[0].probs
    assert probs.untyped_storage().nbytes() == probs.numel() * 2


def test_what_trials_leave_has_the_accuracy_of_their_best_epoch_whoever_comes_and_goes() -> None:
    lrs = (0.003, 0.01, 0.03, 0.001)
    trials = [Trial(key, {"lr": lr}) for key, lr in enumerate(lrs)]
    cohort = TrialCohort(trials[:2], config_of, DATA)
    best: dict[int, EpochResult] = {}

    def train() -> None:
        for result in cohort.train_epoch():
            if result.is_best:
                best[result.key] = result

    train()
    train()
    cohort.admit(trials[2:])
    train()
    assert cohort.files(0).keys() == {FILE}
    cohort.drop({0})
    assert cohort.files(0) == {}
    for _ in range(3):
        train()
    for key in (1, 2, 3):
        arrays = read(cohort.files(key)[FILE])
        accuracy = (arrays["probs"].argmax(1) == arrays["labels"]).mean()
        assert accuracy == pytest.approx(best[key].value)
        assert arrays["epoch"] == best[key].epoch


def test_a_diverging_trial_leaves_what_it_had_before() -> None:
    cohort = TrialCohort([Trial(0, {"optimizer": "sgd", "lr": 1e30})], config_of, DATA)
    [result] = cohort.train_epoch()
    assert result.failure
    assert cohort.files(0) == {}


@pytest.mark.gpu
def test_a_gpu_is_not_waited_for_until_a_file_is_asked_for() -> None:
    kept = ValProbabilities(LABELS.to("cuda"))
    given = logits(1).to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        kept.take(results(0.6, 0.7), given)
        kept.drop({1})
    finally:
        torch.cuda.set_sync_debug_mode("default")
    probs = read(kept.file(0))["probs"]
    assert np.allclose(probs.astype(float), expected(logits(1)[0]).astype(float), atol=1e-3)
