"""Files of weights: torchvision's format is read, whatever else lies there is told."""

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from commands.errors import UserError
from mame_cnn.pretrained.backbones import BACKBONES
from mame_cnn.pretrained.weights_file import (
    TORCHVISION,
    check_hash,
    find,
    fitting,
    read_tensors,
    sha256_of,
)
from tests.mame_cnn.pretrained.files import mobilenet, sha256, write_torchvision

BACKBONE = BACKBONES["mobilenet_v2"]


def counters_apart(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_made_by_torchvision_is_read(tmp_path: Path, is_zip: bool) -> None:
    model, path = mobilenet(), tmp_path / "mobilenet_v2.pth"
    # Without zip is how the files of VGG and DenseNet from 2017 are written.
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=is_zip)
    read = fitting(path, BACKBONE, read_tensors(path))
    expected = counters_apart(model.state_dict())
    assert read.keys() == expected.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in expected.items())


def test_safetensors_are_read_as_well(tmp_path: Path) -> None:
    model, path = mobilenet(), tmp_path / "mobilenet_v2.safetensors"
    save_file(model.state_dict(), path)
    read = fitting(path, BACKBONE, read_tensors(path))
    assert torch.equal(read["features.0.0.weight"], model.state_dict()["features.0.0.weight"])


def test_the_old_names_of_densenet_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "densenet121.pth"
    backbone = BACKBONES["densenet121"]
    now = counters_apart(models.densenet121(weights=None).state_dict())
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2.")
        if "denselayer" in name
        else name: tensor
        for name, tensor in now.items()
    }
    assert old.keys() != now.keys()
    torch.save(old, path)
    assert fitting(path, backbone, read_tensors(path)).keys() == now.keys()


def test_weights_of_another_architecture_are_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    write_torchvision(path, models.resnet18(weights=None))
    with pytest.raises(UserError, match="not the weights of mobilenet_v2") as told:
        fitting(path, BACKBONE, read_tensors(path))
    assert "classifier.1.bias: missing" in str(told.value)
    assert str(path) in str(told.value)


def test_weights_of_other_widths_are_refused_with_both_shapes(tmp_path: Path) -> None:
    path = tmp_path / "narrow.pth"
    write_torchvision(path, models.mobilenet_v2(weights=None, width_mult=0.25))
    with pytest.raises(UserError, match=r"expected shape \(32, 3, 3, 3\), got \(8, 3, 3, 3\)"):
        fitting(path, BACKBONE, read_tensors(path))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = mobilenet()
    model.state_dict()["features.0.0.weight"][0, 0, 0, 0] = torch.nan
    path = tmp_path / "broken.pth"
    write_torchvision(path, model)
    with pytest.raises(UserError, match=r"features.0.0.weight: values that are not finite"):
        fitting(path, BACKBONE, read_tensors(path))


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (Path("never"),)


def test_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"weight": Malicious()}))
    with pytest.raises(UserError, match="not a file of weights"):
        read_tensors(path)
    assert not Path("never").exists()


@pytest.mark.parametrize("content", [b"", b"what is this", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a file of weights, or damaged"):
        read_tensors(path)


def test_a_checkpoint_with_more_than_weights_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": mobilenet().state_dict(), "epoch": 3}, path)
    with pytest.raises(UserError, match="expected tensors by name"):
        read_tensors(path)


def test_another_hash_is_refused_with_both(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    check_hash(path, sha256(path)[:8])
    with pytest.raises(UserError, match=r"SHA-256 is [0-9a-f]{64}, the configuration says 0123"):
        check_hash(path, "0123456789abcdef")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        sha256_of(tmp_path / "weights.pth")


def test_without_a_network_it_is_told_what_to_download_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fails)
    with pytest.raises(UserError) as told:
        find(BACKBONE, TORCHVISION, "b0353104")
    place = tmp_path / "hub" / "checkpoints" / "mobilenet_v2-b0353104.pth"
    assert "download https://download.pytorch.org/models/mobilenet_v2-b0353104.pth" in str(
        told.value
    )
    assert f"put it at {place}" in str(told.value)


def test_what_torchvision_has_downloaded_before_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "mobilenet_v2-7ebf99e0.pth"
    place.parent.mkdir(parents=True)
    place.touch()
    assert find(BACKBONE, TORCHVISION, "7ebf99e0") == place


def test_a_hash_that_torchvision_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="it has b0353104, 7ebf99e0"):
        find(BACKBONE, TORCHVISION, "00000000")
