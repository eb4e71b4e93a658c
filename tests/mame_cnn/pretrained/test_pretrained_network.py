"""Heads on a backbone: what they compute, what is trained when, and what is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mame_cnn.cohorts import cohort as cohort_module
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config, Trained
from mame_cnn.data.dataset import Pixels
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.memory.step_memory import step_memory
from mame_cnn.models.model_file import read_model, write_model
from mame_cnn.pretrained.backbones import IMAGENET_MEAN, IMAGENET_STD
from mame_cnn.pretrained.features import inputs_of
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.pretrained.files import (
    mobilenet,
    model_of,
    transfer_config,
    write_own,
    write_torchvision,
)

CPU = torch.device("cpu")
STEP = {"after_epochs": 1, "from_block": 2, "lr": 1e-3}
STEPS = (STEP, {"after_epochs": 2, "from_block": 1, "lr": 1e-4})


@pytest.fixture
def own(tmp_path: Path) -> tuple[Trained, Path, str]:
    path = tmp_path / "source.safetensors"
    backbone, digits = write_own(path)
    return backbone, path, digits


def blocks_of(cohort: Cohort, key: int, number: int) -> dict[str, Tensor]:
    state = cohort.member_state(key)
    return {name: t for name, t in state.items() if name.startswith(f"blocks.{number}.")}


def are_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def losses(cohort: Cohort, n_epochs: int) -> list[list[float]]:
    return [[r.train_loss for r in cohort.train_epoch()] for _ in range(n_epochs)]


def always_images(*arguments: Any) -> DeviceData:
    data: DeviceData = arguments[2]
    return data


def test_a_head_on_torchvisions_features_is_what_plain_torch_computes(tmp_path: Path) -> None:
    # Arrange: trained a little, so that all of its weights count.
    source, path = mobilenet(), tmp_path / "mobilenet_v2.pth"
    data = make_data(image_size=32, dtype=torch.float32)
    config = transfer_config(
        "mobilenet_v2", path, write_torchvision(path, source), image_size=32, seed=3
    )
    cohort = Cohort([config], [0], data)
    cohort.train_epoch()
    state = cohort.member_state(0)
    norm, hidden, output = nn.BatchNorm1d(1280), nn.Linear(1280, 6), nn.Linear(6, 3)
    norm.load_state_dict(
        {
            key: state[f"head_norm.units.{key}"]
            for key in ("weight", "bias", "running_mean", "running_var")
        },
        strict=False,
    )
    for layer, name in ((hidden, "dense.linear1"), (output, "output")):
        layer.load_state_dict({key: state[f"{name}.{key}"] for key in ("weight", "bias")})
    head = nn.Sequential(norm, hidden, nn.ReLU(), output).eval()
    # Act: bytes as torchvision's presets treat them.
    pixels = data.val.images.permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        maps = source.get_submodule("features")((pixels - mean) / std)
        expected = head(maps.mean((2, 3)))
    # Assert
    torch.testing.assert_close(cohort.val_logits[0], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("steps", [(), (STEP,)])
@pytest.mark.parametrize("head", ["flatten", "average", "max"])
def test_cached_features_give_the_numbers_of_images(
    own: tuple[Trained, Path, str],
    monkeypatch: pytest.MonkeyPatch,
    steps: tuple[dict[str, Any], ...],
    head: str,
) -> None:
    data = make_data()
    config = transfer_config(*own, unfreezing=steps, network={"head": head})
    cached = Cohort([config], [0], data)
    monkeypatch.setattr(cohort_module, "inputs_of", always_images)
    computed = Cohort([config], [0], data)
    assert cached.network.reads_features
    assert not computed.network.reads_features
    np.testing.assert_allclose(losses(cached, 3), losses(computed, 3), rtol=1e-9)


def test_a_member_trains_in_company_as_it_does_alone(own: tuple[Trained, Path, str]) -> None:
    data = make_data()
    configs = [transfer_config(*own, unfreezing=STEPS, seed=seed) for seed in (1, 2, 3)]
    together = Cohort(configs, [0, 1, 2], data)
    alone = Cohort(configs[1:2], [0], data)
    of_all, of_one = losses(together, 3), losses(alone, 3)
    np.testing.assert_allclose([row[1] for row in of_all], [row[0] for row in of_one], rtol=1e-9)


def test_augmented_images_pass_the_backbone_in_every_epoch(own: tuple[Trained, Path, str]) -> None:
    config = transfer_config(*own, flip_horizontal=0.5)
    cohort = Cohort([config, config.model_copy(update={"seed": 2})], [0, 1], make_data())
    assert not cohort.network.reads_features
    assert len(losses(cohort, 2)) == 2


def test_blocks_are_trained_from_their_step_on_and_not_before(
    own: tuple[Trained, Path, str],
) -> None:
    cohort = Cohort([transfer_config(*own, unfreezing=STEPS)], [0], make_data())
    changed = []
    for _ in range(3):
        before = [blocks_of(cohort, 0, number) for number in (1, 2)]
        cohort.train_epoch()
        after = [blocks_of(cohort, 0, number) for number in (1, 2)]
        changed.append([not are_equal(*pair) for pair in zip(before, after, strict=True)])
    assert changed == [[False, False], [False, True], [True, True]]


def test_blocks_without_a_step_stay_as_they_were_read(own: tuple[Trained, Path, str]) -> None:
    model = read_model(own[1])
    cohort = Cohort([transfer_config(*own, unfreezing=(STEP,))], [0], make_data())
    losses(cohort, 3)
    kept = blocks_of(cohort, 0, 1)
    assert kept
    for name, tensor in kept.items():
        original = model.state["blocks.0." + name.removeprefix("blocks.1.1.")]
        assert torch.equal(tensor[0].float(), original), name


def test_each_step_has_its_own_learning_rate(own: tuple[Trained, Path, str]) -> None:
    config = transfer_config(*own, unfreezing=STEPS, lr=0.01)
    cohort = Cohort([config], [0], make_data())
    assert [cohort.train_epoch()[0].lr for _ in range(3)] == [0.01, 1e-3, 1e-4]


def test_the_update_rule_starts_anew_with_a_step(own: tuple[Trained, Path, str]) -> None:
    cohort = Cohort([transfer_config(*own, unfreezing=(STEP,))], [0], make_data())
    counts = []
    for _ in range(3):
        cohort.train_epoch()
        counts.append(int(cohort._optimizer.n_steps.item()))
    assert counts == [5, 5, 10]  # 40 images in batches of 8


def test_a_latecomer_is_unfrozen_in_its_own_epoch(own: tuple[Trained, Path, str]) -> None:
    data = make_data()
    first, second = (transfer_config(*own, unfreezing=(STEP,), seed=seed) for seed in (1, 2))
    cohort = Cohort([first], [0], data)
    losses(cohort, 2)
    cohort.admit([second], [1])
    of_latecomer = [row[1] for row in losses(cohort, 1)]
    assert are_equal(
        blocks_of(cohort, 1, 2), blocks_of(Cohort([second], [1], data), 1, 2)
    )  # still frozen
    of_latecomer += [row[1] for row in losses(cohort, 2)]
    alone = losses(Cohort([second], [1], data), 3)
    np.testing.assert_allclose(of_latecomer, [row[0] for row in alone], rtol=1e-9)


def test_a_snapshot_goes_on_over_a_step(own: tuple[Trained, Path, str]) -> None:
    data, config = make_data(), transfer_config(*own, unfreezing=STEPS)
    whole, part = Cohort([config], [0], data), Cohort([config], [0], data)
    expected = losses(whole, 3)
    begun = losses(part, 1)
    resumed = Cohort([config], [0], data, snapshots=[part.snapshot(0)])
    assert begun + losses(resumed, 2) == expected


def test_dropping_a_member_leaves_the_others_unchanged(own: tuple[Trained, Path, str]) -> None:
    data = make_data()
    configs = [transfer_config(*own, unfreezing=(STEP,), seed=seed) for seed in (1, 2)]
    cohort, alone = Cohort(configs, [0, 1], data), Cohort(configs[1:], [1], data)
    losses(cohort, 1)
    losses(alone, 1)
    cohort.drop([0])
    np.testing.assert_allclose(losses(cohort, 2), losses(alone, 2), rtol=1e-9)


def test_a_backbone_trained_from_the_first_epoch_is_a_plain_network(
    own: tuple[Trained, Path, str],
) -> None:
    # Arrange: the plain family's own training of the same weights is the oracle.
    data = make_data()
    backbone = own[0].network
    unfrozen = transfer_config(
        *own,
        unfreezing=({"after_epochs": 0, "from_block": 1, "lr": 1e-3},),
        network={"head_batch_norm": "none"},
    )
    dense = [{"width": 6, "drop_rate": 0.2, "l1": 0.0, "l2": 0.001}]
    content = make_config().model_dump(mode="json")
    content["network"] = backbone.model_dump(mode="json") | {"head": "average", "dense": dense}
    transferred = Cohort([unfrozen], [0], data)
    plain = Cohort([Config.model_validate(content)], [0], data)
    transferred.network.get_buffer("input_scale").fill_(1)
    transferred.network.get_buffer("input_offset").fill_(0)
    state = {}
    for name, tensor in transferred.member_state(0).items():
        if name.startswith("blocks."):
            _, number, _, rest = name.split(".", 3)
            state[f"blocks.{int(number) - 1}.{rest}"] = tensor[0]
        elif not name.startswith("input_"):
            state[name] = tensor
    plain.network.load_member_state(0, state)
    # Act, assert
    np.testing.assert_allclose(losses(transferred, 3), losses(plain, 3), rtol=1e-9)


def images_of(data: DeviceData) -> Pixels:
    return data.val.images.numpy()


@pytest.mark.parametrize("steps", [(), (STEP,), STEPS])
def test_a_models_file_needs_no_other(
    own: tuple[Trained, Path, str], tmp_path: Path, steps: tuple[dict[str, Any], ...]
) -> None:
    data = make_data(dtype=torch.float32)
    config = transfer_config(*own, unfreezing=steps)
    cohort = Cohort([config], [0], data)
    losses(cohort, 3)
    write_model(tmp_path / "model.safetensors", model_of(cohort, config))
    own[1].unlink()
    model = read_model(tmp_path / "model.safetensors")
    expected = torch.softmax(cohort.val_logits[0].double(), -1).numpy()
    np.testing.assert_allclose(model.probs(images_of(data), CPU), expected, atol=1e-5)


def test_grey_images_are_shown_to_a_backbone_of_colours(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet_v2.pth"
    digits = write_torchvision(path, mobilenet())
    config = transfer_config("mobilenet_v2", path, digits, image_size=32)
    grey = make_data(image_size=32, channels=1, dtype=torch.float32)
    coloured = replace(
        grey,
        train=replace(grey.train, images=grey.train.images.repeat(1, 1, 1, 3)),
        val=replace(grey.val, images=grey.val.images.repeat(1, 1, 1, 3)),
        channels=3,
        scale=grey.scale.repeat(3, 1, 1),
        offset=grey.offset.repeat(3, 1, 1),
    )
    first, second = (Cohort([config], [0], data) for data in (grey, coloured))
    torch.testing.assert_close(first.logits(first.inputs.val), second.logits(second.inputs.val))


def test_images_are_normalised_as_those_of_the_backbone_were(
    own: tuple[Trained, Path, str],
) -> None:
    # The same bytes, whatever the data's own mean and deviation.
    data = make_data()
    other = replace(data, scale=data.scale * 3, offset=data.offset + 1)
    config = transfer_config(*own)
    first, second = (Cohort([config], [0], one) for one in (data, other))
    # Float32, in which a newborn network is fitted to its data.
    torch.testing.assert_close(
        first.inputs.val.images, second.inputs.val.images, rtol=1e-5, atol=1e-6
    )


def test_features_are_read_only_where_some_block_is_frozen_for_good(
    own: tuple[Trained, Path, str],
) -> None:
    data = make_data()
    cohort = Cohort([transfer_config(*own, unfreezing=STEPS)], [0], data)
    assert inputs_of(cohort.network, cohort.configs, data) is data


def test_memory_is_told_of_the_epoch_that_trains_the_most(
    own: tuple[Trained, Path, str],
) -> None:
    late = {"after_epochs": 2, "from_block": 1, "lr": 1e-4}
    at_once = step_memory(
        transfer_config(*own, unfreezing=({**late, "after_epochs": 0},)), make_data()
    )
    later = step_memory(transfer_config(*own, unfreezing=(late,)), make_data())
    assert later == at_once
