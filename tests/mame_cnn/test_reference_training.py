"""Files like the reference configurations, trained by the commands on toy images."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from commands.errors import UserError
from mame_cnn import ensemble
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.data.load import load_dataset
from mame_cnn.inputs.device_data import to_device
from mame_cnn.models.model_file import read_model
from mame_cnn.models.onnx_export import INPUT, OUTPUT, export
from mame_cnn.train import main
from tests.mame_cnn.small_models import make_images, make_model

REFERENCES = Path(__file__).parents[2] / "studies" / "reference"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def paintings(tmp_path: Path) -> Path:
    """Return pictures by two painters, of whom one has five times as many."""
    random = np.random.default_rng(0)
    folder = tmp_path / "paintings"
    for split, counts in {
        "train": {"Goya": 20, "Ribera": 4},
        "val": {"Goya": 6, "Ribera": 4},
    }.items():
        for name, n_images in counts.items():
            place = folder / split / name
            place.mkdir(parents=True)
            for number in range(n_images):
                pixels = random.integers(0, 120 if name == "Goya" else 256, (16, 16, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{name}{number}.png")
    return folder


def small(name: str, folder: Path, data: Path | str) -> Path:
    """Write a reference configuration for small images and few epochs; return the file."""
    config, provenance = read_config(REFERENCES / f"{name}.toml")
    content = config.model_dump(mode="json")
    content["data"] |= {"source": str(data), "image_size": 16}
    content["training"] |= {"epochs": 2, "batch_size": 8}
    path = folder / f"{name}.toml"
    write_config(path, Config.model_validate(content), provenance)
    return path


def test_a_reference_trains_with_all_its_techniques_and_keeps_its_origin(
    tmp_path: Path, paintings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small("painters-mobilenetv2", tmp_path, paintings)
    assert main([str(path), "--device", "cpu", "--precision", "float32"]) == 0
    out = capsys.readouterr().out
    assert "Goya has 5.0 times as many training images as Ribera" in out
    assert 'training.class_weights = "balanced"' in out
    assert "does nothing" not in out
    run = tmp_path / "runs" / "painters-mobilenetv2-01"
    kept = tomllib.loads((run / "config.toml").read_text())
    assert kept["provenance"]["published"] == {"test": 0.95}
    assert kept["provenance"]["published_parameters"] == 642_709
    model = read_model(run / "weights.safetensors")
    assert model.config.data.normalisation == "image"
    dataset = load_dataset(str(paintings), 16)
    accuracy = (model.probs(dataset.val.images, CPU).argmax(1) == dataset.val.labels).mean()
    assert accuracy == pytest.approx(model.metrics["val_accuracy"])


def test_uneven_classes_that_nothing_is_done_about_are_told(
    tmp_path: Path, paintings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small("mame-01", tmp_path, paintings)
    assert main([str(path), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "does nothing about it" in out
    assert "83.3%" in out  # 20 of 24


def test_an_ensemble_is_trained_by_the_command_that_train_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mame-01", "mame-02"):
        small(name, tmp_path, "digits")
    path = tmp_path / "both.toml"
    path.write_text('members = ["mame-01", "mame-02"]\n')
    with pytest.raises(UserError, match=f"python -m mame_cnn.ensemble {path}"):
        main([str(path)])
    argv = [str(path), "--epochs", "1", "--device", "cpu", "--quiet"]
    assert ensemble.main([*argv, "--combiner", "mean"]) == 0
    members = tmp_path / "ensemble" / "members"
    assert sorted(member.name for member in members.iterdir()) == [
        "mame-01-seed-1",
        "mame-02-seed-1",
    ]


def test_data_that_lack_training_images_of_a_class_are_refused(paintings: Path) -> None:
    dataset = load_dataset(str(paintings), 16)
    without = replace(dataset, classes=(*dataset.classes, "Haes", "Bayeu"))
    with pytest.raises(UserError, match="no training image of Haes, Bayeu"):
        to_device(without, CPU)


def test_an_exported_network_standardises_each_image(tmp_path: Path) -> None:
    model = make_model(normalisation="image")
    export(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    images = make_images(3)
    images[1] = 77  # one colour: the deviation is bounded
    [found] = session.run([OUTPUT], {INPUT: images})
    np.testing.assert_allclose(found, model.probs(images, CPU), atol=1e-4)
