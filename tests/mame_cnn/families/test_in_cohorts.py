"""Whatever works for a cohort of plain networks works for the other families."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.data.load import load_dataset
from mame_cnn.distribution.cohort import SharedCohort
from mame_cnn.distribution.layers import Shard, share_layers
from mame_cnn.distribution.processes import Ranks
from mame_cnn.evaluating.model_card import model_card
from mame_cnn.explaining.grad_cam import Explainer
from mame_cnn.explaining.layers import last_activations
from mame_cnn.families.layer_table import layer_table
from mame_cnn.families.network import n_parameters
from mame_cnn.memory.step_memory import step_memory
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, read_model, write_model
from mame_cnn.models.onnx_export import INPUT, OUTPUT, export
from mame_cnn.trials.trainer import ImageTrainer
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.families.small import IMAGE_SIZE, SMALL, small
from tests.mame_cnn.small_models import CPU, make_images, make_model
from tests.mame_cnn.thread_ranks import in_ranks

DATA = make_data(image_size=IMAGE_SIZE)
every_family = pytest.mark.parametrize("family", SMALL)


def members(family: str, n: int = 3, **params: Any) -> list[Config]:
    return [
        make_config(
            seed=seed,
            image_size=IMAGE_SIZE,
            lr=1e-3 * seed,
            drop_rate_1=0.1 * seed,
            head_drop_rate=0.1 * (seed - 1),
            l2=1e-3 * seed,
            **small(family, **params),
        )
        for seed in range(1, n + 1)
    ]


@every_family
def test_a_member_trains_the_same_alone_and_in_company(family: str) -> None:
    together = Cohort(members(family), [0, 1, 2], DATA)
    alone = Cohort(members(family)[1:2], [1], DATA)
    for _ in range(2):
        in_company = together.train_epoch()[1]
        by_itself = alone.train_epoch()[0]
    assert by_itself.train_loss == pytest.approx(in_company.train_loss, abs=1e-9)
    assert by_itself.val_loss == pytest.approx(in_company.val_loss, abs=1e-9)


@every_family
def test_members_come_and_go_and_go_on_as_if_nothing_had_been(family: str) -> None:
    whole = Cohort(members(family), [0, 1, 2], DATA)
    whole.train_epoch()
    kept = {key: whole.snapshot(key) for key in (0, 2)}
    expected = whole.train_epoch()

    other = Cohort(members(family)[2:], [2], DATA, snapshots=[kept[2]])
    other.admit(members(family)[:2], [0, 1], [kept[0], None])
    other.drop({1})
    went_on = other.train_epoch()

    assert [result.key for result in went_on] == [2, 0]
    for own, theirs in zip(went_on, (expected[2], expected[0]), strict=True):
        assert own.train_loss == pytest.approx(theirs.train_loss, abs=1e-9)


@every_family
def test_averages_of_weights_are_kept_with_all_else(family: str) -> None:
    cohort = Cohort(members(family, ema_decay=0.9), [0, 1, 2], DATA)
    [*_, last] = cohort.train_epoch()
    assert np.isfinite(last.val_loss)


@every_family
def test_memory_is_told_before_anything_is_allocated(family: str) -> None:
    [config] = members(family, 1)
    need = step_memory(config, DATA)
    n_weights = n_parameters(
        config.network, channels=3, image_size=IMAGE_SIZE, n_classes=DATA.n_classes
    )
    assert need.kept == 4 * 8 * n_weights  # weights, gradients and Adam's two, in float64
    assert need.training > 0
    assert step_memory(make_config(image_size=16, **small(family, units=4)), DATA) is not None


@every_family
def test_the_layer_table_has_every_weight_once(family: str) -> None:
    [config] = members(family, 1)
    shape = {"channels": 3, "image_size": IMAGE_SIZE, "n_classes": 3}
    rows = layer_table(config.network, **shape)
    assert sum(row.n_parameters for row in rows) == n_parameters(config.network, **shape)
    assert rows[-1].shape == (3,)
    assert rows[0].kind == "Conv2d"
    assert len({row.name for row in rows}) == len(rows)


def model(family: str) -> Model:
    params: dict[str, Any] = small(family)
    return make_model(image_size=IMAGE_SIZE, **params)


@every_family
def test_a_model_is_written_read_and_asked(family: str, tmp_path: Path) -> None:
    written = model(family)
    write_model(tmp_path / WEIGHTS, written)
    read = read_model(tmp_path / WEIGHTS)
    images = make_images(image_size=IMAGE_SIZE)
    assert read.weights_digest == written.weights_digest
    np.testing.assert_array_equal(read.probs(images, CPU), written.probs(images, CPU))


@every_family
def test_a_model_s_card_names_its_family(family: str, tmp_path: Path) -> None:
    words = {"vgg": "VGG", "resnet": "ResNet", "mobilenet": "MobileNet", "densenet": "DenseNet"}
    card = model_card(model(family), tmp_path, ())
    assert f"A {words[family]}" in card
    assert "trained from scratch" in card


@every_family
def test_heat_maps_are_drawn_of_the_last_activation(family: str) -> None:
    explainer = Explainer(model(family), torch.device("cpu"))
    images = make_images(image_size=IMAGE_SIZE)
    explained = explainer.explain(images)
    np.testing.assert_allclose(explained.probs, model(family).probs(images, CPU), rtol=1e-5)
    assert explained.for_answer.shape[0] == len(images)
    blocks = {name.partition(".")[0] for name in last_activations(explainer.layers)}
    assert {"block1", "block2"} <= blocks
    maps = explainer.activations(images[0], list(explainer.layers))
    assert all(one.ndim == 3 for one in maps.values())
    assert explainer.filters().shape[1] == 3


def test_layers_that_are_not_of_a_cohort_are_exported_too(tmp_path: Path) -> None:
    export(model("densenet"), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    images = make_images(3, image_size=IMAGE_SIZE)
    [found] = session.run([OUTPUT], {INPUT: images})
    np.testing.assert_allclose(found, model("densenet").probs(images, CPU), atol=1e-4)


def test_a_cut_beyond_the_depth_is_infeasible_in_a_search() -> None:
    trainer = ImageTrainer(load_dataset("digits"), epochs=1, data_seed=0, device=CPU)
    reason = trainer.infeasible(small("densenet", cut=2))
    assert reason is not None
    assert "cut: 2 of 2 blocks leaves nothing" in reason


@pytest.mark.parametrize("family", ["vgg", "resnet", "mobilenet"])
def test_two_processes_train_what_one_trains(family: str) -> None:
    [config] = members(family, 1)
    alone = Cohort([config], [0], DATA)
    expected = [alone.train_epoch()[0].train_loss for _ in range(2)]

    def trained(ranks: Ranks) -> tuple[list[float], dict[str, torch.Tensor]]:
        cohort = SharedCohort([config], [0], DATA, ranks)
        return [cohort.train_epoch()[0].train_loss for _ in range(2)], cohort.member_state(0)

    for losses, state in in_ranks(2, trained):
        assert losses == pytest.approx(expected, abs=1e-9)
        torch.testing.assert_close(state, alone.member_state(0), atol=1e-9, rtol=1e-9)


def test_processes_cannot_share_layers_that_are_not_of_a_cohort() -> None:
    cohort = Cohort(members("densenet", 1), [0], DATA)
    with pytest.raises(UserError, match="use one process"):
        in_ranks(1, lambda ranks: share_layers(cohort.network, Shard(ranks, 8)))
