from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import load_dataset
from mame_cnn.inputs.device_data import to_device
from mame_cnn.memory import room
from mame_cnn.trials.trainer import ImageTrainer


@dataclass(frozen=True)
class TestMember:
    __test__ = False
    key: int
    params: dict[str, Value] = field(default_factory=dict)
    seed: int = 0
    state: bytes | None = None


SMALL: dict[str, Value] = {
    "depth": 2,
    "width": 4,
    "dense_width": 8,
    "batch_size": 64,
    "pool_size": 4,
}


@pytest.fixture(scope="module")
def trainer() -> ImageTrainer:
    return ImageTrainer(load_dataset("digits"), epochs=2, data_seed=0, device=torch.device("cpu"))


def test_records_count_epochs_and_end_with_the_budget(trainer: ImageTrainer) -> None:
    cohort = trainer.open([TestMember(7, SMALL)])
    first, second = cohort.train_epoch()[0], cohort.train_epoch()[0]
    assert (first.key, first.epoch, first.is_finished, first.failure) == (7, 1, False, None)
    assert (second.epoch, second.is_finished) == (2, True)
    assert 0 <= second.value <= 1
    assert second.images_per_s > 0
    assert set(second.metrics) >= {"train_loss", "train_accuracy", "val_loss", "lr"}


def test_the_value_is_the_share_of_validation_images_classified_right(
    trainer: ImageTrainer,
) -> None:
    dataset = load_dataset("digits")
    opened = trainer.open([TestMember(0, SMALL)])
    [record] = opened.train_epoch()
    predicted = opened.cohort.logits(opened.cohort.data.val)[0].argmax(-1).numpy()
    assert record.value == np.mean(predicted == dataset.val.labels)


def test_the_same_member_gives_the_same_records_and_another_seed_others(
    trainer: ImageTrainer,
) -> None:
    losses = [
        trainer.open([TestMember(0, SMALL, seed)]).train_epoch()[0].metrics["train_loss"]
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_what_pooling_makes_impossible_is_infeasible_with_its_reason(
    trainer: ImageTrainer,
) -> None:
    assert trainer.infeasible(SMALL) is None
    reason = trainer.infeasible({**SMALL, "depth": 3})
    assert reason is not None
    assert "block 3: pooling by 4" in reason


def test_a_loss_that_is_not_finite_is_a_failure(trainer: ImageTrainer) -> None:
    cohort = trainer.open([TestMember(0, {**SMALL, "optimizer": "sgd", "lr": 1e30})])
    [record] = cohort.train_epoch()
    assert record.failure is not None
    assert "epoch 1" in record.failure


def test_another_members_failure_leaves_a_member_alone(trainer: ImageTrainer) -> None:
    sgd: dict[str, Value] = {**SMALL, "optimizer": "sgd", "lr": 0.01}
    alone = trainer.open([TestMember(0, sgd, 5)]).train_epoch()[0]
    members = [TestMember(0, sgd, 5), TestMember(1, {**sgd, "lr": 1e30}, 6)]
    beside_a_failure = trainer.open(members).train_epoch()[0]
    assert beside_a_failure.failure is None
    assert beside_a_failure.value == pytest.approx(alone.value, abs=0.02)  # float32 drifts


def test_newcomers_count_their_own_epochs(trainer: ImageTrainer) -> None:
    cohort = trainer.open([TestMember(0, SMALL)])
    cohort.train_epoch()
    cohort.admit([TestMember(3, {**SMALL, "lr": 0.01}, 4)])
    old, new = cohort.train_epoch()
    assert (old.key, old.epoch, old.is_finished) == (0, 2, True)
    assert (new.key, new.epoch, new.is_finished) == (3, 1, False)
    cohort.drop([0])
    [last] = cohort.train_epoch()
    assert (last.key, last.epoch, last.is_finished) == (3, 2, True)


def test_members_equal_in_the_shared_names_share_the_fusion_key(trainer: ImageTrainer) -> None:
    other = {**SMALL, "lr": 0.1, "drop_rate": 0.3, "schedule": "cosine", "rotation_degrees": 9.0}
    shared = trainer.shared(other)
    assert shared == {*SMALL}
    assert trainer.fusion_key(other) == trainer.fusion_key(SMALL)


def test_what_does_not_fit_is_refused_with_what_it_needs(
    trainer: ImageTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = trainer.open([TestMember(0, SMALL)])
    monkeypatch.setattr(room, "usable_bytes", lambda device: 2**10)
    with pytest.raises(MemoryError, match=r"^one network needs .* GiB for a step, .* are free$"):
        trainer.open([TestMember(1, SMALL)])
    with pytest.raises(MemoryError, match=r"^2 networks need"):
        cohort.admit([TestMember(1, SMALL)])
    assert [record.key for record in cohort.train_epoch()] == [0]
    assert trainer.cohort_size(SMALL, 8) == 1


def test_an_allocation_that_fails_in_an_epoch_is_a_memory_error(
    trainer: ImageTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = trainer.open([TestMember(0, SMALL)])

    def too_large() -> None:
        raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")

    monkeypatch.setattr(cohort.cohort, "train_epoch", too_large)
    with pytest.raises(MemoryError, match="one network needs"):
        cohort.train_epoch()


def test_a_wanted_cohort_size_is_kept_where_it_fits(trainer: ImageTrainer) -> None:
    assert trainer.cohort_size(SMALL, 5) == 5


def test_the_fastest_size_is_measured_once_for_a_fusion_key(
    trainer: ImageTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def fastest(config: Config, data: object, *, most: int) -> int:
        measured.append(config.training.batch_size)
        return 4

    monkeypatch.setattr("mame_cnn.trials.trainer.fastest_size", fastest)
    sizes = [
        trainer.cohort_size({**SMALL, "batch_size": batch_size, "lr": lr}, None)
        for batch_size, lr in [(16, 0.1), (16, 0.2), (17, 0.1), (16, 0.3)]
    ]
    assert sizes == [4, 4, 4, 4]
    assert measured == [16, 17]


def test_data_on_the_device_are_standardised_by_the_training_images() -> None:
    data = to_device(load_dataset("digits"), torch.device("cpu"), torch.float64)
    images = data.normalise(data.train.images)
    assert images.shape == (1197, 1, 32, 32)
    assert images.mean().item() == pytest.approx(0, abs=1e-6)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_gpu_trains_the_same_network_as_a_cpu(precision: torch.dtype) -> None:
    dataset = load_dataset("digits")
    starts, losses = [], []
    for name, own in (("cpu", torch.float32), ("cuda", precision)):
        device = torch.device(name)
        trainer = ImageTrainer(dataset, epochs=3, data_seed=0, device=device, precision=own)
        cohort = trainer.open([TestMember(0, {**SMALL, "lr": 0.003})])
        starts.append({n: t.cpu() for n, t in cohort.cohort.network.member_state(0).items()})
        losses.append([cohort.train_epoch()[0].metrics["train_loss"] for _ in range(3)])
    torch.testing.assert_close(*starts, rtol=0, atol=0)
    assert losses[0][0] > 1.15 * losses[0][2]  # it learns
    assert losses[1] == pytest.approx(losses[0], rel=0.01)  # bfloat16 on a CPU: 0.0005
