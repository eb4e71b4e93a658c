"""The command that explains, on models that were never trained and images of noise."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commands.errors import UserError, exit_status
from mame_cnn import explain
from mame_cnn.data.load import load_dataset
from mame_cnn.explaining.heat_sheets import N_CLASSES, shown_classes
from mame_cnn.explaining.scene import Scene
from mame_cnn.models.ensemble_file import write_ensemble
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.pictures.sheet import Sheet
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.small_models import CPU, make_ensemble, make_model, write_members

CLASSES = ("bronze", "clay")
COUNTS = {
    "train": {"bronze": 4, "clay": 4},
    "val": {"bronze": 6, "clay": 6},
    "test": {"bronze": 3, "clay": 3},
}
ALWAYS = {"explanation.html", "images.csv", "filters.png"}
OF_VALIDATION = {"attention.csv", "attention.png", "heat-maps-1.png"}
Run = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """MAMe's layout, of which no test image can be opened."""
    folder = Factory(tmp_path / "data").mame(COUNTS)
    for path in (folder / "data_256").glob("test.*"):
        path.write_text("closed")
    return folder


@pytest.fixture
def make_run(tmp_path: Path, data: Path) -> Run:
    def make(name: str, **changes: Any) -> Path:
        size = changes.get("image_size", 8)
        digest = load_dataset(str(data), size, progress=False).digest
        model = replace(
            make_model(**{"classes": CLASSES, **changes}), data_digest=digest, data_name="mame"
        )
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        write_model(folder / WEIGHTS, model)
        return folder

    return make


@pytest.fixture
def run(make_run: Run) -> Path:
    return make_run("best-01")


@pytest.fixture
def call(data: Path) -> Callable[..., int]:
    def call(*arguments: object) -> int:
        return explain.main(["--data", str(data), "--device", "cpu", *map(str, arguments)])

    return call


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sheet]:
    """Keep sheets instead of drawing them, which takes a second."""
    kept: dict[str, Sheet] = {}

    def keep(path: Path, sheet: Sheet) -> None:
        kept[path.name] = sheet
        Image.new("RGB", (1, 1)).save(path)

    monkeypatch.setattr("mame_cnn.explaining.folder.write_sheet", keep)
    return kept


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_validation_images_are_explained_without_a_look_at_test_images(
    run: Path, data: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(run) == 0
    found = names(run / "explanation")
    assert found >= ALWAYS | OF_VALIDATION
    val = load_dataset(str(data), 8, progress=False).val
    table = pd.read_csv(run / "explanation" / "images.csv")
    assert list(table["image"]) == list(val.names)
    probs = make_model(classes=CLASSES).probs(val.images, CPU)
    assert list(table["answer"]) == [CLASSES[k] for k in probs.argmax(1)]
    np.testing.assert_allclose(table["its probability"], probs[range(12), val.labels], rtol=1e-4)
    shares = pd.read_csv(run / "explanation" / "attention.csv")
    assert list(shares["class"]) == ["all classes", *CLASSES]
    assert shares["border share"][0] == pytest.approx(table["border share"].mean(), abs=1e-4)
    printed = capsys.readouterr().out
    assert f"{shares['border share'][0]:.0%} of the attention falls on the border" in printed
    assert "44% of the area" in printed


@pytest.mark.usefixtures("sheets")
def test_a_second_explanation_leaves_the_first(run: Path, call: Callable[..., int]) -> None:
    assert call(run, "--quiet") == 0
    before = (run / "explanation" / "images.csv").stat().st_mtime_ns
    assert call(run, "--quiet") == 0
    assert (run / "explanation" / "images.csv").stat().st_mtime_ns == before
    assert names(run / "explanation-again-01") == names(run / "explanation")


def test_a_class_gets_a_sheet_of_its_own(
    run: Path, data: Path, sheets: dict[str, Sheet], call: Callable[..., int]
) -> None:
    assert call(run, "--class", "clay", "--class", "bronze") == 0
    assert names(run / "explanation") >= {"class-clay.png", "class-bronze.png"}
    val = load_dataset(str(data), 8, progress=False).val
    said = make_model(classes=CLASSES).probs(val.images, CPU).argmax(1)
    expected = {
        "recognised": (said == 1) & (val.labels == 1),
        "missed": (said == 0) & (val.labels == 1),
        "taken for it": (said == 1) & (val.labels == 0),
    }
    found = {each.title: len(each.exhibits) for each in sheets["class-clay.png"].sections}
    assert found == {title: own.sum() for title, own in expected.items() if own.any()}


def test_two_networks_stand_side_by_side_even_at_other_sizes(
    make_run: Run, tmp_path: Path, sheets: dict[str, Sheet], call: Callable[..., int]
) -> None:
    one, two = make_run("one"), make_run("two", seed=2, image_size=16, depth=3)
    assert call(one, two, "--class", "clay", "--out", tmp_path / "out") == 0
    table = pd.read_csv(tmp_path / "out" / "images.csv")
    assert {"answer (one)", "answer (two)", "border share (two)"} <= set(table.columns)
    shares = pd.read_csv(tmp_path / "out" / "attention.csv")
    gain = (table["border share (two)"] - table["border share (one)"]).mean()
    assert shares["difference border share"][0] == pytest.approx(gain, abs=1e-4)
    page = (tmp_path / "out" / "explanation.html").read_text()
    assert "What one and two look at" in page
    for name in ("attention.png", "heat-maps-1.png", "class-clay.png"):
        exhibit = sheets[name].sections[0].exhibits[0]
        assert [tile.lines[0][0] for tile in exhibit[1:]] == ["one", "two"]


@pytest.mark.usefixtures("sheets")
def test_runs_of_one_name_are_told_apart_by_their_folders(
    make_run: Run, tmp_path: Path, call: Callable[..., int]
) -> None:
    one, two = make_run("capacity/best"), make_run("dropout/best", seed=2)
    assert call(one / WEIGHTS, two, "--out", tmp_path / "out", "--quiet") == 0
    columns = pd.read_csv(tmp_path / "out" / "images.csv").columns
    assert {"answer (capacity/best)", "answer (dropout/best)"} <= set(columns)


@pytest.mark.usefixtures("sheets")
def test_given_images_are_validation_images_or_any_file(
    run: Path, data: Path, tmp_path: Path, call: Callable[..., int]
) -> None:
    Image.new("L", (40, 30), 200).save(tmp_path / "photo.png")
    images = ["val.clay.2.png", tmp_path / "photo.png"]
    assert call(run, "--images", *images, "--out", tmp_path / "out") == 0
    found = names(tmp_path / "out")
    assert found >= ALWAYS | {"heat-maps-given.png", "activations-1.png", "activations-2.png"}
    assert not found & OF_VALIDATION
    table = pd.read_csv(tmp_path / "out" / "images.csv", keep_default_na=False)
    assert list(table["image"]) == ["val.clay.2.png", "photo.png"]
    assert list(table["label"]) == ["clay", ""]
    assert (table["looked into"] != table["answer"]).all()


@pytest.mark.usefixtures("sheets")
def test_given_files_need_no_data(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "photo.png")
    options = ["--images", str(tmp_path / "photo.png"), "--class", "clay", "--device", "cpu"]
    gone = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    assert explain.main([str(run), *options, *gone]) == 0
    table = pd.read_csv(tmp_path / "out" / "images.csv")
    assert list(table["looked into"]) == ["clay"]


def test_chosen_layers_are_drawn_for_both_kinds_of_sheet(
    run: Path, tmp_path: Path, sheets: dict[str, Sheet], call: Callable[..., int]
) -> None:
    layers = ["--layers", "block1.conv1", "--heat-layer", "block1.activation1"]
    assert call(run, *layers, "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "explanation.html").read_text()
    assert "block1.activation1: 8 x 8 pixels on images of 8 x 8" in page
    [_, drawn] = sheets["activations-1.png"].sections
    assert drawn.title.startswith("block1.conv1: 4 of 4 channels, 8 x 8 pixels")


@pytest.mark.usefixtures("sheets")
def test_a_coarse_layer_is_said_with_a_finer_one(
    make_run: Run, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(make_run("deep", depth=3)) == 0
    printed = capsys.readouterr().out
    assert "has 2 x 2 pixels only" in printed
    assert "--heat-layer block2.activation1 is finer" in printed


def test_all_faults_of_given_images_are_named_at_once(
    run: Path, data: Path, tmp_path: Path, call: Callable[..., int]
) -> None:
    (tmp_path / "text.png").write_text("no image")
    images = ["val.clay.99.png", tmp_path / "text.png", data / "data_256" / "test.clay.0.png"]
    with pytest.raises(UserError) as caught:
        call(run, "--images", "val.clay.1.png", *images, tmp_path, "--out", tmp_path / "out")
    message = str(caught.value)
    assert message.startswith("4 images of 5 cannot be explained:")
    assert "val.clay.99.png: no file, and no validation image" in message
    assert "text.png: not an image" in message
    assert "test.clay.0.png: lies in the data's folder; only validation images" in message
    assert f"{tmp_path}: a folder" in message
    assert not (tmp_path / "out").exists()


def test_a_link_into_the_data_s_folder_does_not_lead_to_test_images(
    run: Path, data: Path, tmp_path: Path, call: Callable[..., int]
) -> None:
    os.symlink(data / "data_256" / "test.clay.0.png", tmp_path / "link.png")
    with pytest.raises(UserError, match="lies in the data's folder"):
        call(run, "--images", tmp_path / "link.png")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--class", "clai"], "--class clai: no such class; did you mean clay"),
        (["--class", "oil"], "the classes: bronze, clay"),
        (["--layers", "block1.conv", "block9.pool"], "no such layer; did you mean block1.conv1"),
        (["--heat-layer", "dense1"], "--heat-layer dense1: .* has no such layer"),
        (["--images", "a.png", "--class", "clay", "--class", "bronze"], "not several"),
        (["--device", "tpu"], "--device tpu"),
    ],
)
def test_mistakes_are_said(
    run: Path, call: Callable[..., int], options: list[str], expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        call(run, *options)


def test_an_ensemble_is_answered_with_its_members(
    tmp_path: Path, call: Callable[..., int]
) -> None:
    folder, ensemble = tmp_path / "ensemble", make_ensemble()
    write_members(folder, ensemble)
    write_ensemble(folder, ensemble)
    with pytest.raises(UserError) as caught:
        call(folder)
    message = str(caught.value)
    assert "an ensemble" in message
    for member in ensemble.members:
        assert str(folder / member.path) in message


def test_networks_of_other_classes_or_data_are_refused(
    run: Path, make_run: Run, call: Callable[..., int]
) -> None:
    other = make_run("other", classes=("bronze", "gold"))
    with pytest.raises(UserError, match=r"has the classes bronze, gold; .* has bronze, clay"):
        call(run, other)
    with pytest.raises(UserError, match="was trained on bronze, gold"):
        call(other)
    coloured = make_run("coloured", classes=tuple("0123456789"))
    with pytest.raises(UserError, match="images of 1 channels"):
        explain.main([str(coloured), "--data", "digits", "--device", "cpu"])


def test_more_than_two_runs_and_a_full_folder_are_refused(
    run: Path, call: Callable[..., int]
) -> None:
    with pytest.raises(UserError, match="one run, or two side by side, got 3"):
        call(run, run, run)
    with pytest.raises(UserError, match="exists and is not empty"):
        call(run, "--out", run)


def test_nothing_trained_is_exit_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(lambda: explain.main([str(tmp_path)])) == 2
    assert "expected the folder of a run" in capsys.readouterr().err


def test_of_many_classes_the_least_recognised_are_shown() -> None:
    n = N_CLASSES + 4
    labels = np.repeat(np.arange(n), 2)

    class View:
        def is_right(self, labels: np.ndarray) -> np.ndarray:
            found: np.ndarray = labels >= n - 4
            return found

    # Of a view, only who is right is asked.
    view: Any = View()
    scene = Scene((view,), labels, [""] * (2 * n), tuple(map(str, range(n))))
    assert shown_classes(scene) == list(range(N_CLASSES))
