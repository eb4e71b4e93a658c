"""Several final trainings: who trains together, what each leaves, and what goes wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config import Config
from mame_cnn.device import DeviceError
from mame_cnn.inputs.device_data import with_validation
from mame_cnn.runs import training_of_many
from mame_cnn.runs.final_training import Failed, FinalTraining, train_to_the_end
from mame_cnn.runs.training_of_many import train_all
from tests.mame_cnn.factory import make_config, make_data, plain_of

DATA = make_data(n_train=26, n_val=12)
Shown = list[tuple[tuple[int, ...], tuple[int, ...]]]


def train(
    configs: Sequence[Config],
    cohort: int | None = 8,
    kept_epochs: Sequence[int | None] | None = None,
) -> tuple[dict[int, FinalTraining | Failed], Shown]:
    """Return the endings by place, and who trained together in which order."""
    shown: Shown = []

    def show(places: Sequence[int], results: Sequence[EpochResult]) -> None:
        shown.append((tuple(places), tuple(result.epoch for result in results)))

    endings = dict(train_all(configs, DATA, cohort=cohort, on_epoch=show, kept_epochs=kept_epochs))
    return endings, shown


def trained(ending: FinalTraining | Failed) -> FinalTraining:
    assert isinstance(ending, FinalTraining)
    return ending


def test_what_shares_a_shape_trains_together_and_the_rest_by_itself() -> None:
    configs = [make_config(seed=1), make_config(width=8), make_config(seed=2, lr=1e-4)]
    endings, shown = train(configs)
    assert sorted(endings) == [0, 1, 2]
    assert {places for places, _ in shown} == {(0, 2), (1,)}


def test_a_network_trained_in_company_is_the_one_trained_alone() -> None:
    configs = [
        make_config(seed=seed, epochs=5, patience_epochs=patience, lr=3e-4, ema_decay=decay)
        for seed, patience, decay in ((1, 1, 0.0), (2, 0, 0.5), (3, 2, 0.0))
    ]
    endings, _ = train(configs)
    for place, config in enumerate(configs):
        together, alone = trained(endings[place]), train_to_the_end(config, DATA, lambda _: None)
        assert together.best.epoch == alone.best.epoch
        assert together.stopped_because == alone.stopped_because
        np.testing.assert_allclose(together.val_probs, alone.val_probs, atol=1e-6)
        torch.testing.assert_close(together.state, alone.state, rtol=0, atol=1e-9)


def test_no_more_train_together_than_asked_for() -> None:
    _, shown = train([make_config(seed=seed, epochs=1) for seed in range(5)], cohort=2)
    assert [places for places, _ in shown] == [(0, 1), (2, 3), (4,)]


def test_the_kept_probabilities_are_those_of_the_kept_weights() -> None:
    config = make_config(epochs=4, lr=0.01)
    training = trained(train([config])[0][0])
    cohort = Cohort([config], [0], DATA)
    cohort.network.load_member_state(0, training.state)
    probs = torch.softmax(cohort.logits(DATA.val)[0], dim=-1)
    np.testing.assert_allclose(training.val_probs, probs.float().numpy(), atol=1e-6)
    accuracies = [result.val_accuracy for result in training.history]
    assert training.best.epoch == 1 + accuracies.index(max(accuracies))


def test_with_validation_images_trained_on_the_last_epoch_is_kept() -> None:
    training = trained(train([make_config(epochs=4, lr=0.01)], kept_epochs=[4])[0][0])
    assert training.best.epoch == 4
    assert not training.is_validated


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "exponential"])
def test_a_training_cut_short_is_the_beginning_of_the_whole_one(schedule: str) -> None:
    configs = [make_config(seed=seed, epochs=4, schedule=schedule) for seed in (1, 2, 3)]
    whole, _ = train(configs)
    cut, shown = train(configs, kept_epochs=[1, 2, 4])
    assert [len(epochs) for _, epochs in shown] == [3, 2, 1, 1]
    for place, n_epochs in enumerate((1, 2, 4)):
        ending = trained(cut[place])
        assert ending.best.epoch == n_epochs
        assert ending.stopped_because == f"all {n_epochs} epochs done"
        lrs = [result.lr for result in trained(whole[place]).history]
        losses = [result.train_loss for result in trained(whole[place]).history]
        assert [result.lr for result in ending.history] == lrs[:n_epochs]
        assert [r.train_loss for r in ending.history] == pytest.approx(losses[:n_epochs])


def test_validation_images_join_those_to_train_on() -> None:
    joined = with_validation(DATA)
    assert len(joined.train) == 26 + 12
    torch.testing.assert_close(joined.train.images[26:], DATA.val.images)
    assert joined.train.labels.tolist()[26:] == DATA.val.labels.tolist()
    counts = torch.bincount(joined.train.labels, minlength=3)
    torch.testing.assert_close(joined.class_weights, (38 / (3 * counts)).double())


def test_one_that_diverges_fails_alone() -> None:
    configs = [make_config(seed=1, epochs=2), make_config(seed=2, epochs=2, lr=1e300)]
    endings, _ = train(configs)
    trained(endings[0])
    assert isinstance(endings[1], Failed)
    assert "lower the learning rate" in endings[1].reason


def test_a_cohort_that_runs_out_of_memory_is_trained_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_epoch = Cohort.train_epoch

    def short(cohort: Cohort) -> list[EpochResult]:
        if len(cohort.keys) > 1:
            raise MemoryError("no room")
        return train_epoch(cohort)

    monkeypatch.setattr(Cohort, "train_epoch", short)
    endings, shown = train([make_config(seed=seed, epochs=1) for seed in range(3)])
    assert all(isinstance(ending, FinalTraining) for ending in endings.values())
    assert [places for places, _ in shown] == [(0,), (1,), (2,)]


def test_one_network_without_room_fails_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_epoch = Cohort.train_epoch

    def short(cohort: Cohort) -> list[EpochResult]:
        if plain_of(cohort.configs[0]).blocks[0].width == 8:
            raise MemoryError("no room")
        return train_epoch(cohort)

    monkeypatch.setattr(Cohort, "train_epoch", short)
    endings, _ = train([make_config(width=8, epochs=1), make_config(epochs=1)])
    failed = endings[0]
    assert isinstance(failed, Failed)
    assert "choose a smaller --image-size" in failed.reason
    trained(endings[1])


def test_as_many_as_train_fastest_are_asked_for_once_a_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def fastest(config: Config, data: object, *, most: int) -> int:
        asked.append((plain_of(config).blocks[0].width, most))
        return 2

    monkeypatch.setattr(training_of_many, "fastest_size", fastest)
    configs = [make_config(seed=seed, epochs=1) for seed in range(3)]
    _, shown = train([*configs, make_config(width=8, epochs=1)], cohort=None)
    assert asked == [(4, 3)]
    assert [places for places, _ in shown] == [(0, 1), (2,), (3,)]


def failing_in_its_third_epoch(error: BaseException) -> Callable[[Cohort], list[EpochResult]]:
    train_epoch, calls = Cohort.train_epoch, []

    def failing(cohort: Cohort) -> list[EpochResult]:
        calls.append(cohort)
        if len(calls) == 3:
            raise error
        return train_epoch(cohort)

    return failing


CONFIGS = [make_config(seed=1, epochs=9), make_config(seed=2, epochs=9), make_config(width=8)]


def test_ctrl_c_ends_what_trains_and_starts_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = failing_in_its_third_epoch(KeyboardInterrupt())
    monkeypatch.setattr(Cohort, "train_epoch", failing)
    endings, shown = train(CONFIGS)
    assert sorted(endings) == [0, 1]
    assert all(trained(ending).is_interrupted for ending in endings.values())
    assert [epochs for _, epochs in shown] == [(1, 1), (2, 2)]


def test_best_epochs_are_kept_before_a_gpu_that_has_failed_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = failing_in_its_third_epoch(DeviceError("cuda:0 has failed: a fault"))
    monkeypatch.setattr(Cohort, "train_epoch", failing)
    endings = train_all(CONFIGS, DATA, cohort=2, on_epoch=lambda *_: None)
    for place in (0, 1):
        found, ending = next(endings)
        assert found == place
        assert trained(ending).stopped_because == "cuda:0 has failed: a fault"
        assert trained(ending).is_interrupted
    with pytest.raises(DeviceError, match="a fault"):
        next(endings)


def test_networks_that_cannot_be_made_for_want_of_memory_are_made_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = Cohort.__init__

    def short(cohort: Cohort, configs: Sequence[Config], *arguments: Any) -> None:
        if len(configs) > 1:
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        make(cohort, configs, *arguments)

    monkeypatch.setattr(Cohort, "__init__", short)
    endings, shown = train([make_config(seed=seed, epochs=1) for seed in range(2)])
    assert all(isinstance(ending, FinalTraining) for ending in endings.values())
    assert [places for places, _ in shown] == [(0,), (1,)]
