"""Features are computed once for each data, backbone and weights, and mapped afterwards."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config, Trained
from mame_cnn.configuration.fusion import fusion_key
from mame_cnn.families.pretrained import PretrainedNetwork
from mame_cnn.inputs.device_data import DeviceData, with_validation
from mame_cnn.pretrained import features
from tests.mame_cnn.factory import make_data
from tests.mame_cnn.pretrained.files import transfer_config, write_own


@pytest.fixture
def own(tmp_path: Path) -> tuple[Trained, Path, str]:
    path = tmp_path / "source.safetensors"
    return (*_swapped(path),)


def _swapped(path: Path, seed: int = 1) -> tuple[Trained, Path, str]:
    backbone, digits = write_own(path, seed=seed)
    return backbone, path, digits


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MAME_CACHE", str(folder))
    return folder


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Collect the files that features are written to."""
    paths: list[Path] = []
    compute = features._compute

    def noting(*arguments: Any) -> None:
        paths.append(arguments[-1])
        compute(*arguments)

    monkeypatch.setattr(features, "_compute", noting)
    return paths


def known_data(digest: str = "0123456789ab") -> DeviceData:
    return replace(make_data(dtype=torch.float32), digest=digest)


def opened(config: Config, data: DeviceData) -> Cohort:
    return Cohort([config], [0], data)


def test_features_are_computed_once_and_then_read(
    own: tuple[Trained, Path, str], cache: Path, computed: list[Path]
) -> None:
    first, second = (opened(transfer_config(*own, seed=s), known_data()) for s in (1, 2))
    assert [path.name for path in computed] == ["train.npy", "val.npy"]
    assert torch.equal(first.inputs.train.images, second.inputs.train.images)
    assert list(cache.glob("features-0123456789ab/plain-*/train.npy"))


def test_what_is_kept_is_what_is_computed(own: tuple[Trained, Path, str], cache: Path) -> None:
    config = transfer_config(*own)
    kept, fresh = opened(config, known_data()), opened(config, known_data(""))
    assert torch.equal(kept.inputs.val.images, fresh.inputs.val.images)


def test_other_data_weights_heads_and_steps_have_their_own_features(
    own: tuple[Trained, Path, str], tmp_path: Path, cache: Path, computed: list[Path]
) -> None:
    step = {"after_epochs": 1, "from_block": 2, "lr": 1e-4}
    others = _swapped(tmp_path / "others.safetensors", seed=2)
    opened(transfer_config(*own), known_data())
    opened(transfer_config(*own), known_data("ba9876543210"))
    opened(transfer_config(*others), known_data())
    opened(transfer_config(*own, network={"head": "max"}), known_data())
    opened(transfer_config(*own, unfreezing=(step,)), known_data())
    assert len(computed) == 10
    # All are there at once: searching heads on two backbones computes nothing twice.
    opened(transfer_config(*own), known_data())
    assert len(computed) == 10


def test_a_damaged_file_is_computed_again(
    own: tuple[Trained, Path, str], cache: Path, computed: list[Path]
) -> None:
    before = opened(transfer_config(*own), known_data()).inputs.train.images.clone()
    [path] = cache.glob("features-*/*/train.npy")
    path.write_bytes(b"nothing of use")
    after = opened(transfer_config(*own), known_data()).inputs.train.images
    assert len(computed) == 4
    assert torch.equal(before, after)


def test_a_full_disk_is_an_error_and_leaves_nothing(
    own: tuple[Trained, Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # A map that is written to is not asked: where a block is missing, the process is killed.
    monkeypatch.setattr(np.lib.format, "open_memmap", lambda *_, **__: pytest.fail("a map"))
    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(UserError, match="the disk filled up"):
        opened(transfer_config(*own), known_data())
    assert not list(cache.rglob("*.npy"))


@pytest.mark.parametrize("digest", ["0123456789ab", ""])
def test_features_that_are_no_numbers_are_refused(
    own: tuple[Trained, Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch, digest: str
) -> None:
    def overflowing(network: PretrainedNetwork, images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images), 4), torch.inf)

    monkeypatch.setattr(PretrainedNetwork, "frozen_features", overflowing)
    with pytest.raises(UserError, match="features of images that are not finite numbers"):
        opened(transfer_config(*own), known_data(digest))
    assert not list(cache.rglob("*.npy"))


def test_validation_images_that_are_trained_on_have_features_of_their_own(
    own: tuple[Trained, Path, str], cache: Path
) -> None:
    cohort = opened(transfer_config(*own), with_validation(known_data()))
    assert cohort.inputs.train.images.shape[0] == 60
    assert list(cache.glob("features-0123456789ab-with-val/*"))


@pytest.mark.parametrize("digest", ["", "0123456789ab"])
def test_latecomers_read_the_features_that_are_there(
    own: tuple[Trained, Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch, digest: str
) -> None:
    cohort = opened(transfer_config(*own), known_data(digest))
    expected = Cohort([transfer_config(*own, seed=1)], [1], cohort.data).train_epoch()[0]
    inputs = cohort.inputs
    monkeypatch.setattr(PretrainedNetwork, "frozen_features", None)  # nobody is to ask for more
    cohort.admit([transfer_config(*own, seed=1)], [1])
    assert cohort.inputs is inputs
    found = cohort.train_epoch()[1]
    assert (found.train_loss, found.val_loss) == pytest.approx(
        (expected.train_loss, expected.val_loss)
    )


def test_augmented_members_and_others_are_no_cohort(own: tuple[Trained, Path, str]) -> None:
    still = transfer_config(*own)
    flipped = transfer_config(*own, flip_horizontal=0.5)
    rotated = transfer_config(*own, rotation_degrees=0.5)
    assert fusion_key(still) != fusion_key(flipped)
    assert fusion_key(flipped) == fusion_key(rotated)


def test_heads_of_other_rates_train_as_one_cohort(own: tuple[Trained, Path, str]) -> None:
    first = transfer_config(*own, lr=0.1)
    second = transfer_config(*own, lr=0.01, network={"head_drop_rate": 0.5})
    assert fusion_key(first) == fusion_key(second)
