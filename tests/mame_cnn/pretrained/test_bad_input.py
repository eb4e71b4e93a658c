"""What is refused, and what is said then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config, Trained
from mame_cnn.models.model_file import read_model, write_model
from mame_cnn.pretrained.table import check_weights, trained_backbone
from mame_cnn.runs.final_training import check_feasible
from mame_cnn.runs.training_plan import Plan
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.pretrained.files import (
    mobilenet,
    sha256,
    transfer_config,
    write_own,
    write_torchvision,
)
from tests.mame_cnn.small_models import make_model

HASH = "0123456789abcdef"


@pytest.fixture
def own(tmp_path: Path) -> tuple[Trained, Path, str]:
    path = tmp_path / "source.safetensors"
    backbone, digits = write_own(path)
    return backbone, path, digits


def step(after_epochs: int, from_block: int, lr: float = 1e-4) -> dict[str, Any]:
    return {"after_epochs": after_epochs, "from_block": from_block, "lr": lr}


def test_pretrained_weights_are_refused_where_all_is_to_be_learnt_from_scratch() -> None:
    content = transfer_config("vgg16", "torchvision", "397923af").model_dump(mode="json")
    content["from_scratch"] = True
    with pytest.raises(ValidationError, match="refused where from_scratch = true"):
        Config.model_validate(content)


def test_from_scratch_is_what_flat_parameters_say_unless_told_otherwise() -> None:
    assert make_config().from_scratch


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((step(1, 6),), "the backbone has 5 blocks, got 6"),
        ((step(1, 4), step(1, 3)), "expected more than the 1 of the step before, got 1"),
        ((step(1, 3), step(2, 4)), "expected at most the 3 of the step before, got 4"),
        ((step(3, 4),), "3 is not before the last of 3 epochs"),
    ],
)
def test_steps_that_make_no_sense_are_refused(steps: tuple[Any, ...], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        transfer_config("vgg16", "torchvision", "397923af", unfreezing=steps, epochs=3)


def test_fewer_epochs_than_steps_need_are_refused_on_the_command_line() -> None:
    config = transfer_config("vgg16", "torchvision", "397923af", unfreezing=(step(2, 4),))
    with pytest.raises(UserError, match=r"unfreezing.0.after_epochs: 2 is not before the last"):
        Plan(epochs=2).applied(config, "digits")


@pytest.mark.parametrize("digits", ["397923a", "397923AF", "torchvision", "g" * 8, "0" * 65])
def test_a_hash_is_8_to_64_hex_digits(digits: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        transfer_config("vgg16", "torchvision", digits)


def test_an_unknown_backbone_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="'vgg16', 'vgg19', 'resnet50'"):
        transfer_config("vgg11", "torchvision", HASH)


@pytest.mark.parametrize(
    ("backbone", "least"), [("vgg16", 32), ("efficientnet_v2_s", 33), ("densenet121", 29)]
)
def test_images_smaller_than_a_backbone_accepts_are_refused(backbone: str, least: int) -> None:
    small = transfer_config(backbone, "torchvision", HASH, image_size=28)
    with pytest.raises(UserError, match=f"accepts images of {least} pixels or more, got 28"):
        check_feasible([small], make_data(image_size=28))


def test_images_smaller_than_an_own_backbone_accepts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    backbone, digits = write_own(path, depth=5, image_size=32)
    small = transfer_config(backbone, path, digits, image_size=31)
    with pytest.raises(UserError, match="accepts images of 32 pixels or more, got 31"):
        check_feasible([small], make_data(image_size=31))


def test_a_missing_file_is_told(own: tuple[Trained, Path, str], tmp_path: Path) -> None:
    config = transfer_config(own[0], tmp_path / "nowhere.safetensors", own[2])
    with pytest.raises(UserError, match=r"nowhere.safetensors: no such file"):
        Cohort([config], [0], make_data())


def test_another_hash_is_told(own: tuple[Trained, Path, str]) -> None:
    config = transfer_config(own[0], own[1], HASH)
    with pytest.raises(UserError, match=f"the configuration says {HASH}"):
        Cohort([config], [0], make_data())


def test_a_file_that_has_changed_since_it_was_read_is_told(
    own: tuple[Trained, Path, str],
) -> None:
    config = transfer_config(*own)
    Cohort([config], [0], make_data())
    write_own(own[1], seed=2, depth=3)
    with pytest.raises(UserError, match="another file, or a damaged one"):
        Cohort([config], [0], make_data())


def test_weights_of_another_architecture_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet_v2.pth"
    digits = write_torchvision(path, mobilenet())
    config = transfer_config("resnet50", path, digits, image_size=32)
    with pytest.raises(UserError, match="not the weights of resnet50"):
        Cohort([config], [0], make_data(image_size=32))


def test_an_own_file_of_another_network_is_told(
    own: tuple[Trained, Path, str], tmp_path: Path
) -> None:
    path = tmp_path / "wider.safetensors"
    _, digits = write_own(path, width=5)
    with pytest.raises(UserError, match=r"not the weights of network\.backbone"):
        Cohort([transfer_config(own[0], path, digits)], [0], make_data())


def test_a_file_that_is_no_model_is_told(own: tuple[Trained, Path, str], tmp_path: Path) -> None:
    path = tmp_path / "words.safetensors"
    path.write_text("weights")
    with pytest.raises(UserError, match="not a safetensors file"):
        Cohort([transfer_config(own[0], path, sha256(path))], [0], make_data())


def test_images_of_other_channels_are_told(own: tuple[Trained, Path, str]) -> None:
    with pytest.raises(UserError, match="takes images of 3 channels, the data's have 4"):
        Cohort([transfer_config(*own)], [0], make_data(channels=4))


def test_another_normalisation_than_the_backbones_is_told(own: tuple[Trained, Path, str]) -> None:
    config = transfer_config(*own, normalisation="image")
    with pytest.raises(UserError, match='trained with "train", got "image"'):
        Cohort([config], [0], make_data())


def test_a_file_with_more_classes_than_its_head_is_told(
    own: tuple[Trained, Path, str], tmp_path: Path
) -> None:
    data = make_data(dtype=torch.float32, n_classes=4)
    config = transfer_config(*own)
    cohort = Cohort([config], [0], data)
    model = make_model(classes=("bronze", "clay", "silk", "wood", "wool"))
    path = tmp_path / "model.safetensors"
    more = type(model)(**{**vars(model), "config": config, "state": cohort.member_state(0)})
    write_model(path, more)
    with pytest.raises(UserError, match=r"output.bias: expected shape \(5,\), got \(4,\)"):
        read_model(path)


def test_weights_that_a_search_would_miss_are_all_named_before_it_begins(tmp_path: Path) -> None:
    there = tmp_path / "there.safetensors"
    _, digits = write_own(there)
    values = {"backbone": ["trained"], "weights": [str(there)], "sha256": [digits[:8]]}
    check_weights(values)
    missing = [str(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    with pytest.raises(UserError) as refused:
        check_weights({**values, "weights": missing})
    assert str(refused.value).splitlines() == [f"{path}: no such file" for path in missing]
    with pytest.raises(UserError, match="another file"):
        check_weights({**values, "sha256": ["0" * 8]})


def test_a_backbone_that_keeps_silent_of_validation_images_it_saw_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "source.safetensors"
    saw = replace(make_model(), provenance={"training": {"splits": "train+val"}})
    write_model(path, saw)
    told = trained_backbone(path)
    assert told["seen_val"]["data_digest"] == saw.data_digest
    Cohort([transfer_config(Trained.model_validate(told), path, sha256(path))], [0], make_data())
    del told["seen_val"]
    silent = transfer_config(Trained.model_validate(told), path, sha256(path))
    with pytest.raises(UserError, match="which validation images the file's network was trained"):
        Cohort([silent], [0], make_data())


def test_a_backbone_that_saw_none_says_nothing_of_them(own: tuple[Trained, Path, str]) -> None:
    assert own[0].model_dump(mode="json").keys() == {"network", "channels"}
    assert trained_backbone(own[1]) == own[0].model_dump(mode="json")
