"""A network on a pretrained backbone is a network like others to all that use networks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Trained
from mame_cnn.configuration.network_words import in_words
from mame_cnn.configuration.parameters import config_from_params, space_faults
from mame_cnn.distribution.processes import ALONE
from mame_cnn.explaining.grad_cam import Explainer
from mame_cnn.families.network import n_parameters
from mame_cnn.models.model import Model
from mame_cnn.models.onnx_export import export
from mame_cnn.runs.distributed_training import check_shareable
from tests.mame_cnn.factory import make_data
from tests.mame_cnn.pretrained.files import (
    mobilenet,
    model_of,
    transfer_config,
    write_own,
    write_torchvision,
)
from tests.mame_cnn.small_models import make_images

CPU = torch.device("cpu")
STEP = {"after_epochs": 1, "from_block": 2, "lr": 1e-3}


@pytest.fixture
def own(tmp_path: Path) -> tuple[Trained, Path, str]:
    path = tmp_path / "source.safetensors"
    backbone, digits = write_own(path)
    return backbone, path, digits


def trained(own: tuple[Trained, Path, str], steps: tuple[dict[str, Any], ...]) -> Model:
    config = transfer_config(*own, unfreezing=steps)
    cohort = Cohort([config], [0], make_data(dtype=torch.float32))
    cohort.train_epoch()
    return model_of(cohort, config)


@pytest.mark.parametrize("steps", [(), (STEP,), ({**STEP, "from_block": 1},)])
def test_its_answers_can_be_explained(
    own: tuple[Trained, Path, str], steps: tuple[dict[str, Any], ...]
) -> None:
    model = trained(own, steps)
    explainer = Explainer(model, CPU)
    explained = explainer.explain(make_images())
    np.testing.assert_allclose(explained.probs, model.probs(make_images(), CPU), atol=1e-6)
    assert explainer.default_layer.startswith("block2.")
    assert explained.for_answer.shape[0] == 6
    # The kernels of the file's first convolution, of three channels.
    assert explainer.filters().shape == (4, 3, 3, 3)


def test_only_what_is_trained_counts_as_parameters(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet_v2.pth"
    digits = write_torchvision(path, mobilenet())
    sizes = {"channels": 3, "image_size": 32, "n_classes": 5}
    config = transfer_config("mobilenet_v2", path, digits, image_size=32)
    # Normalisation, a dense layer of 6 and the outputs on 1,280 channels.
    assert n_parameters(config.network, **sizes) == 2 * 1280 + 1281 * 6 + 7 * 5
    unfrozen = transfer_config(
        *("mobilenet_v2", path, digits),
        unfreezing=({"after_epochs": 1, "from_block": 1, "lr": 1e-3},),
        image_size=32,
    )
    features = mobilenet().get_submodule("features")
    backbone = sum(weight.numel() for weight in features.parameters())
    assert n_parameters(unfrozen.network, **sizes) == backbone + 2 * 1280 + 1281 * 6 + 7 * 5


def test_where_the_file_lies_is_no_part_of_what_a_configuration_is(
    own: tuple[Trained, Path, str],
) -> None:
    here, there = (transfer_config(own[0], place, own[2]) for place in (own[1], "elsewhere"))
    assert here.digest == there.digest
    assert here.digest != transfer_config(own[0], own[1], "0" * 64).digest


def test_it_is_said_in_words(own: tuple[Trained, Path, str]) -> None:
    frozen = in_words(transfer_config(*own).network)
    assert frozen.startswith(f"a new head on pretrained weights (SHA-256 {own[2][:8]}), frozen: a")
    assert "unfrozen in 1 steps" in in_words(transfer_config(*own, unfreezing=(STEP,)).network)


def test_several_processes_do_not_share_it(own: tuple[Trained, Path, str]) -> None:
    two = replace(ALONE, n=2)
    with pytest.raises(UserError, match="a pretrained network trains in one process"):
        check_shareable(transfer_config(*own), make_data(), two, None)


def flat(**params: Any) -> Any:
    told = {"family": "pretrained", "from_scratch": "false", **params}
    return config_from_params(
        told, source="digits", image_size=32, epochs=30, seed=0, data_seed=0
    ).network


def test_flat_parameters_describe_a_head_on_an_own_file(own: tuple[Trained, Path, str]) -> None:
    network = flat(backbone="trained", weights=str(own[1]), dense_depth=1, dense_width=7)
    assert network.backbone == own[0]
    assert network.sha256 == own[2]
    assert [layer.width for layer in network.dense] == [7]


def test_flat_parameters_describe_steps() -> None:
    network = flat(
        unfreeze_steps=2,
        unfreeze_after_epochs_1=5,
        unfreeze_from_block_1=4,
        unfreeze_lr_1=1e-4,
        unfreeze_after_epochs_2=9,
        unfreeze_from_block_2=1,
    )
    steps = [(step.after_epochs, step.from_block, step.lr) for step in network.unfreezing]
    assert steps == [(5, 4, 1e-4), (9, 1, 1e-5)]


def test_a_step_that_flat_parameters_leave_open_is_told() -> None:
    with pytest.raises(UserError, match="unfreeze_after_epochs_1: missing"):
        flat(unfreeze_steps=1)


def test_a_space_hears_of_parameters_that_pretrained_networks_do_not_have() -> None:
    assert space_faults({"family": ["pretrained"], "dense_width": [256, 512]}) == []
    [fault] = space_faults({"family": ["pretrained"], "width": [16, 32]})
    assert fault.startswith("width: has an effect only where family is ")
    assert space_faults({"backbone": ["vgg16"]}) == [
        "backbone: has an effect only where family is pretrained"
    ]
    assert space_faults({"family": ["pretrained"], "unfreeze_lr_1": [1e-4]}) == [
        "unfreeze_lr_1: there is no such step, unfreeze_steps is at most 0"
    ]


@pytest.mark.parametrize("steps", [(), (STEP,)])
def test_it_is_exported_as_it_answers(
    own: tuple[Trained, Path, str], tmp_path: Path, steps: tuple[dict[str, Any], ...]
) -> None:
    model, path = trained(own, steps), tmp_path / "model.onnx"
    export(model, path)
    [probs] = onnxruntime.InferenceSession(str(path)).run(None, {"images": make_images()})
    np.testing.assert_allclose(probs, model.probs(make_images(), CPU), atol=1e-4)
