"""One network trained by several processes against the same trained by one, in float64."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config import Config
from mame_cnn.distribution.cohort import SharedCohort, with_largest_share
from mame_cnn.distribution.layers import Shard, SharedBatchNorm2d
from mame_cnn.distribution.processes import Ranks
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.layers import CohortBatchNorm2d
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.thread_ranks import in_ranks

TOLERANCE = 1e-9
Outcome = tuple[list[EpochResult], dict[str, Tensor], Tensor]

SHAPES: list[dict[str, Any]] = [
    {"batch_norm": "after_pool", "drop_rate": 0.3, "dense_drop_rate": 0.4, "head_drop_rate": 0.1},
    {"batch_norm": "before", "activation": "prelu", "head": "average", "optimizer": "sgd"},
    {"batch_norm": "after", "head": "max", "convolutions": 2, "class_weights": "balanced"},
    {"batch_norm": "none", "l1": 1e-3, "dense_l2": 1e-2, "weight_decay": 0.1, "ema_decay": 0.9},
    {"rotation_degrees": 20.0, "flip_horizontal": 0.5, "label_smoothing": 0.1, "batch_size": 7},
]


def trained(cohort: Cohort, n_epochs: int = 3) -> Outcome:
    results = [cohort.train_epoch()[0] for _ in range(n_epochs)]
    return results, cohort.member_state(0), cohort.val_logits


def alone(config: Config, data: DeviceData) -> Outcome:
    return trained(Cohort([config], [0], data))


def shared(n: int, config: Config, data: DeviceData) -> list[Outcome]:
    return in_ranks(n, lambda ranks: trained(SharedCohort([config], [0], data, ranks)))


def assert_equal(got: Outcome, expected: Outcome) -> None:
    torch.testing.assert_close(got[1], expected[1], rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(got[2], expected[2], rtol=TOLERANCE, atol=TOLERANCE)
    for mine, other in zip(got[0], expected[0], strict=True):
        for name in ("lr", "train_loss", "penalty", "train_accuracy", "val_loss", "val_accuracy"):
            assert getattr(mine, name) == pytest.approx(getattr(other, name), rel=TOLERANCE), name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("n", [2, 3])
def test_several_processes_train_what_one_trains(n: int, shape: dict[str, Any]) -> None:
    # 8 or 7 images a batch and 20 in validation: three processes have unequal shares.
    config, data = make_config(**{"lr": 1e-3, **shape}), make_data()
    expected = alone(config, data)
    for outcome in shared(n, config, data):
        assert_equal(outcome, expected)


def test_all_processes_have_the_same_bits() -> None:
    first, second = shared(2, make_config(drop_rate=0.2), make_data())
    for name, tensor in first[1].items():
        assert torch.equal(tensor, second[1][name]), name
    assert torch.equal(first[2], second[2])
    without_speed = [
        [replace(result, images_per_s=0.0) for result in own[0]] for own in (first, second)
    ]
    assert without_speed[0] == without_speed[1]


def test_each_process_computes_its_own_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    step = Cohort._train_step

    def watched(self: Cohort, images: Tensor, labels: Tensor, lr: Tensor) -> Any:
        seen.append((len(images), len(labels)))
        return step(self, images, labels, lr)

    monkeypatch.setattr(Cohort, "_train_step", watched)
    data = make_data(n_train=16)
    in_ranks(3, lambda ranks: trained(SharedCohort([make_config()], [0], data, ranks), 1))
    assert sorted(seen) == [(2, 2)] * 2 + [(3, 3)] * 4  # 8 = 2 + 3 + 3, twice


def test_normalisation_has_the_statistics_of_all_rows_and_their_gradients() -> None:
    maps = torch.randn(7, 6, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    upstream = torch.randn(
        maps.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )

    def layer() -> CohortBatchNorm2d:
        plain = CohortBatchNorm2d(2, 3).double()
        plain.initialise([])
        with torch.no_grad():
            plain.weight.add_(torch.arange(6).view(2, 3) / 4)
        return plain

    plain, whole = layer(), maps.clone().requires_grad_()
    expected = plain(whole)
    expected.backward(upstream)

    def own(ranks: Ranks) -> tuple[Tensor, ...]:
        shard = Shard(ranks, len(maps))
        norm, part = SharedBatchNorm2d(layer(), shard), maps[shard.rows].clone().requires_grad_()
        outputs = norm(part)
        outputs.backward(upstream[shard.rows])
        assert part.grad is not None
        assert norm.weight.grad is not None
        return outputs, part.grad, norm.weight.grad, norm.running_mean, norm.running_var

    parts = in_ranks(3, own)
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), expected)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), whole.grad)
    torch.testing.assert_close(sum(part[2] for part in parts), plain.weight.grad)
    for part in parts:
        torch.testing.assert_close(part[3], plain.running_mean)
        torch.testing.assert_close(part[4], plain.running_var)


def test_shares_cover_every_image_once_and_differ_by_one_at_most() -> None:
    for n_images in (4, 7, 8, 65):
        rows = [Ranks(rank, 4).rows(n_images) for rank in range(4)]
        covered = [number for own in rows for number in range(own.start, own.stop)]
        counts = Ranks(0, 4).counts(n_images)
        assert covered == list(range(n_images))
        assert counts == [own.stop - own.start for own in rows]
        assert max(counts) - min(counts) <= 1


def test_memory_is_reckoned_with_the_largest_share() -> None:
    config, data = make_config(batch_size=7), make_data()
    assert with_largest_share(config, data, Ranks(0, 3)).training.batch_size == 3
    assert with_largest_share(config, data, Ranks()) is config
