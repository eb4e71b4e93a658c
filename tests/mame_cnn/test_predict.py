"""The command that says what any images show."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commands.errors import UserError
from mame_cnn.config_file import write_config
from mame_cnn.data.load import load_dataset
from mame_cnn.ensemble_file import write_ensemble
from mame_cnn.model_file import write_model
from mame_cnn.parameters import config_from_params
from mame_cnn.predict import main
from mame_cnn.train import main as train
from tests.mame_cnn.models import (
    CLASSES,
    CPU,
    make_ensemble,
    make_images,
    make_model,
    write_members,
)

IMAGES = make_images(5)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    write_model(tmp_path / "weights.safetensors", make_model())
    return tmp_path / "weights.safetensors"


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    return [str(tmp_path / f"{number}.png") for number in range(len(IMAGES))]


def command(*arguments: object) -> int:
    return main([*map(str, arguments), "--device", "cpu", "--precision", "float32"])


def test_a_file_has_a_row_an_image_and_a_column_a_class(
    tmp_path: Path, weights: Path, paths: list[str]
) -> None:
    out = tmp_path / "out.csv"
    assert command(weights, *paths, "--out", out, "--batch", 2) == 0
    table = pd.read_csv(out)
    assert list(table.columns) == ["image", "predicted", *(f"prob {name}" for name in CLASSES)]
    assert list(table["image"]) == paths
    expected = make_model().probs(IMAGES, CPU)
    np.testing.assert_allclose(table.iloc[:, 2:], expected, rtol=1e-4)
    assert list(table["predicted"]) == [CLASSES[k] for k in expected.argmax(1)]


def test_without_out_the_table_is_all_that_is_printed(
    weights: Path, paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(weights, paths[0]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "image,predicted,prob bronze,prob clay,prob silk,prob wood"
    assert len(lines) == 2


def test_an_ensemble_predicts_too(tmp_path: Path, paths: list[str]) -> None:
    ensemble = make_ensemble()
    write_members(tmp_path / "ensemble", ensemble)
    write_ensemble(tmp_path / "ensemble", ensemble)
    assert command(tmp_path / "ensemble", *paths, "--out", tmp_path / "out.csv") == 0
    table = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(table.iloc[:, 2:], ensemble.probs(IMAGES, CPU), rtol=1e-4)


def test_all_images_that_cannot_be_read_are_named_at_once(
    tmp_path: Path, weights: Path, paths: list[str]
) -> None:
    (tmp_path / "text.png").write_text("no image")
    bad = [tmp_path / "nowhere.png", *paths[:2], tmp_path / "text.png", *paths[2:], tmp_path]
    out = tmp_path / "out.csv"
    with pytest.raises(UserError) as caught:
        command(weights, *bad, "--out", out, "--batch", 2)
    message = str(caught.value)
    assert message.startswith("3 images of 8 cannot be read")
    for fault in ("nowhere.png: no such file", "text.png: not an image", "not a regular file"):
        assert fault in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "nothing to do"),
        (["--out", "x.csv"], "there are no images"),
        (["x.png", "--out", "no/such/folder/x.csv"], "there is no folder no/such/folder"),
        (["x.png", "--out", "."], "a folder, where a file was expected"),
        (["x.png", "--device", "tpu"], "--device tpu"),
    ],
)
def test_mistakes_are_said(weights: Path, arguments: list[str], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        main([str(weights), *arguments])


def test_onnx_is_written_without_images(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mame_cnn.predict.export", lambda model, path: path.write_text("onnx"))
    assert command(weights, "--onnx", tmp_path / "m.onnx") == 0
    assert (tmp_path / "m.onnx").read_text() == "onnx"


def test_a_trained_run_predicts_files_as_it_did_its_validation_images(tmp_path: Path) -> None:
    small = {"depth": 2, "width": 4, "pool_size": 4, "dense_width": 8, "lr": 0.01}
    config = config_from_params(
        small, source="digits", image_size=32, epochs=1, seed=1, data_seed=0
    )
    write_config(tmp_path / "best.toml", config, {})
    options = ["--quiet", "--device", "cpu", "--precision", "float32"]
    assert train([str(tmp_path / "best.toml"), *options]) == 0
    run = tmp_path / "runs" / "best-01"
    images = load_dataset("digits").val.images[:4]
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    assert command(run, *paths, "--out", tmp_path / "out.csv") == 0
    found = pd.read_csv(tmp_path / "out.csv").iloc[:, 2:]
    trained = pd.read_csv(run / "val_probabilities.csv").iloc[:4, 2:]
    np.testing.assert_allclose(found, trained, atol=1e-5)
