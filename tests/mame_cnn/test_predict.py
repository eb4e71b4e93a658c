"""The command that says what any images show."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commands.errors import UserError
from mame_cnn import predict
from mame_cnn.configuration.config_file import write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.data.load import load_dataset
from mame_cnn.models.classifier import Classifier
from mame_cnn.models.ensemble_file import write_ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.predict import main
from mame_cnn.train import main as train
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.small_models import (
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


def test_a_network_is_built_once_for_many_batches(
    weights: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, classifier = [], Model.classifier

    def noting(model: Model, *arguments: Any) -> Classifier:
        built.append(model)
        return classifier(model, *arguments)

    monkeypatch.setattr(Model, "classifier", noting)
    assert command(weights, *paths, "--batch", 2) == 0
    assert len(built) == 1


def test_more_images_than_fit_into_memory_are_read_in_parts(
    tmp_path: Path, weights: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(weights, *paths, "--out", tmp_path / "once.csv") == 0
    monkeypatch.setattr(predict, "_MOST_BYTES", 2 * IMAGES[0].nbytes)
    assert command(weights, *paths, "--out", tmp_path / "parts.csv", "--batch", 1) == 0
    once, parts = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("once", "parts"))
    pd.testing.assert_frame_equal(once, parts)


@pytest.mark.parametrize("is_ensemble", [False, True])
def test_images_of_the_test_split_are_refused_and_others_of_the_data_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_ensemble: bool
) -> None:
    counts = {split: {"bronze": 2, "clay": 2} for split in ("train", "val", "test")}
    data = Factory(tmp_path / "data").mame(counts)
    closed, val = (sorted(data.glob(f"data_256/{split}.*")) for split in ("test", "val"))
    (tmp_path / "link").symlink_to(closed[0])
    run = trained_on(str(data), tmp_path / "run", is_ensemble)

    with pytest.raises(UserError, match=r"mame_cnn\.evaluate RUN --test") as raised:
        command(run, val[0], closed[1], tmp_path / "link")

    told = str(raised.value)
    assert "2 images of the test split" in told
    assert str(closed[1]) in told
    assert str(tmp_path / "link") in told
    assert command(run, *val) == 0


@pytest.mark.parametrize("source", [".", "/", "digits", "gone"])
def test_data_that_are_not_there_keep_no_image_from_being_looked_at(
    tmp_path: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(trained_on(source, tmp_path / "run"), paths[0]) == 0


def trained_on(source: str, folder: Path, is_ensemble: bool = False) -> Path:
    """Write a model, or an ensemble, that says what it was trained on."""

    def said(model: Model) -> Model:
        data = model.config.data.model_copy(update={"source": source})
        return replace(model, config=model.config.model_copy(update={"data": data}))

    folder.mkdir()
    if is_ensemble:
        made = make_ensemble()
        members = tuple(replace(member, model=said(member.model)) for member in made.members)
        write_members(folder, made := replace(made, members=members))
        write_ensemble(folder, made)
    else:
        write_model(folder / WEIGHTS, said(make_model()))
    return folder
