import html
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands.errors import exit_status
from mame_cnn.data import contact_sheet
from mame_cnn.data.__main__ import main
from mame_cnn.data.layout import read_listing
from mame_cnn.data.survey import survey_folder
from tests.mame_cnn.data.conftest import Factory, files_of_at_most, noise, put_special_file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def summary(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["summary", *arguments]) == 0
    return capsys.readouterr().out


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_whole_folder_is_counted_by_class_and_split(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = summary(capsys, str(make.class_folders()))
    table = [line.split() for line in out.splitlines()]
    for row in (["bronze", "4", "2", "1"], ["clay", "3", "2", "2"], ["total", "7", "4", "3"]):
        assert row in table
    for part in (
        "14 images, 2 classes",
        "sizes of 14 readable images: 12 x 10 (14)",
        "missing: none",
        "unreadable: none",
        "more than one split: never",
        "balance of train: 3 to 4 a class",
        "balance of val: 2 images in every class",
    ):
        assert part in out


def test_missing_images_are_counted_and_no_mistake(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make.mame()
    for path in (folder / "data_256").glob("*.clay.*"):
        path.unlink()
    out = summary(capsys, str(folder))
    assert "missing: 7 of 14 (train 3, val 2, test 2): train.clay.0.png" in out
    assert "sizes of 7 readable images" in out
    assert "original photographs" in out


def test_no_image_at_all_gives_counts_and_no_sheet(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make.mame()
    shutil.rmtree(folder / "data_256")
    out = summary(capsys, str(folder))
    assert "missing: 14 of 14" in out
    assert "no image folder; looked for" in out
    assert "contact sheet and mean images: not drawn" in out
    assert files_in(here / "mame-summary") == {"classes.png", "summary.html"}


def test_unreadable_images_are_listed_with_their_fault(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make.class_folders()
    (folder / "train/clay/clay0.png").write_text("no image")
    whole = here / "whole.jpg"
    noise("a", 64, 64).save(whole)
    (folder / "test/clay/cut.jpg").write_bytes(whole.read_bytes()[:2000])
    out = summary(capsys, str(folder))
    assert "unreadable: 2" in out
    assert "train clay/clay0.png: not an image" in out
    assert "test clay/cut.jpg: image file is truncated" in out


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_what_is_no_regular_file_is_listed_as_unreadable(
    make: Factory,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    folder = make.class_folders()
    put_special_file(folder / "train/clay/clay9.png", kind, monkeypatch)
    out = summary(capsys, str(folder))
    assert "unreadable: 1\n" in out
    assert "train clay/clay9.png: not a regular file" in out


def test_a_collection_of_single_images_is_told_in_the_singular(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"train": {"bronze": 1, "clay": 1}, "val": {"bronze": 1, "clay": 1}}
    folder = make.class_folders(counts)
    for name in ("train/bronze/bronze0.png", "train/clay/clay0.png", "val/clay/clay0.png"):
        (folder / name).unlink()
        (folder / name).symlink_to("nowhere")
    out = summary(capsys, str(folder))
    assert "balance of train: 1 image in every class" in out
    assert "sizes of 1 readable image:" in out
    assert "train 2, val 1, test 0): bronze/bronze0.png, clay/clay0.png, clay/clay0.png\n" in out


def test_equal_files_in_two_splits_are_named(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make.class_folders()
    shutil.copy(folder / "train/clay/clay0.png", folder / "test/clay/copy.png")
    shutil.copy(folder / "val/clay/clay0.png", folder / "val/bronze/copy.png")
    out = summary(capsys, str(folder))
    assert "more than one split: 1 time\n" in out
    assert "repeat another of their split: 1\n" in out
    assert "train clay/clay0.png = test clay/copy.png" in out


def test_copies_are_grouped_by_content(make: Factory) -> None:
    folder = make.class_folders()
    for name in ("x", "y"):
        shutil.copy(folder / "train/clay/clay0.png", folder / f"train/bronze/{name}.png")
    survey = survey_folder(read_listing(folder))
    assert survey.copies_across() == []
    assert survey.n_copies_within() == 2


def test_the_digits_have_a_summary_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = summary(capsys, "digits")
    assert ["total", "1,197", "300", "300"] in [line.split() for line in out.splitlines()]
    assert "8 x 8 (1,797)" in out
    pictures = {"classes.png", "contact_sheet.png", "mean_images.png"}
    assert files_in(here / "digits-summary") == {*pictures, "summary.html"}


def test_the_room_needed_follows_the_image_size(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = summary(capsys, "digits", "--image-size", "64")
    assert f"prepared at 64 x 64: {1497 * 64 * 64 / 2**20:.1f} MiB" in out


def test_the_pictures_and_their_page_lie_in_the_folder_given(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, folder = make.class_folders(), here / "one" / "mine"
    noise("large", 40, 30).save(source / "train" / "clay" / "large.png")
    out = summary(capsys, str(source), "--out", "one/mine")
    pictures = {"classes.png", "contact_sheet.png", "mean_images.png", "sizes.png"}
    assert files_in(folder) == {*pictures, "summary.html"}
    assert "pictures: one/mine/classes.png, " in out
    for name in pictures:
        with Image.open(folder / name) as picture:
            assert picture.format == "PNG"
    with Image.open(folder / "contact_sheet.png") as sheet:
        step = contact_sheet.TILE_PX + contact_sheet.GAP_PX
        assert sheet.height == 2 * step + contact_sheet.GAP_PX
        assert sheet.width > 4 * step


def test_the_page_needs_nothing_else_and_says_what_was_printed(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = summary(capsys, str(make.class_folders()))
    page = (here / "folders-summary" / "summary.html").read_text()
    assert page.count("data:image/png;base64,") == 3  # all images have one size
    assert "http" not in page
    printed = out[: out.index("pictures: ")].rstrip("\n")
    assert html.escape(printed) in page


def test_names_of_classes_cannot_become_part_of_the_page(
    make: Factory, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = '<img src=x onerror="alert(1)"> & $x$ Ωμέγα'
    counts = {"train": {odd: 2, "clay": 2}, "val": {odd: 1, "clay": 1}}
    summary(capsys, str(make.class_folders(counts)))
    page = (here / "folders-summary" / "summary.html").read_text()
    assert "<img src=x" not in page
    assert html.escape(odd) in page


def test_tiles_lie_in_their_class_row_beside_its_name() -> None:
    red, blue = (Image.new("RGB", (96, 96), colour) for colour in ("red", "blue"))
    sheet = contact_sheet.draw([("one", [red, red]), ("two", [blue]), ("none", [])])
    right = sheet.width - 2 * 100
    assert sheet.getpixel((right + 50, 50)) == (255, 0, 0)
    assert sheet.getpixel((right - 50 + 100, 150)) == (0, 0, 255)
    assert sheet.getpixel((right + 150, 150)) == (255, 255, 255)
    names = sheet.crop((0, 0, right - 10, sheet.height)).convert("L")
    for row in range(3):
        assert np.asarray(names)[row * 100 : row * 100 + 100].min() < 100


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("file", "--out file: file is a file, not a folder"),
        ("file/below", "--out file/below: file"),
        ("sheet.png", "--out sheet.png: give a folder"),
    ],
)
def test_an_out_that_can_be_no_folder_is_a_mistake(
    here: Path, capsys: pytest.CaptureFixture[str], out: str, expected: str
) -> None:
    (here / "file").touch()
    assert exit_status(lambda: main(["summary", "digits", "--out", out])) == 2
    assert capsys.readouterr().err.startswith(f"error: {expected}")
    assert [path.name for path in here.iterdir()] == ["file"]


def test_pictures_that_find_no_room_are_told_of_and_leave_the_old_ones(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = here / "mine" / "classes.png"
    old.parent.mkdir()
    old.write_text("old")
    with files_of_at_most(100):
        status = exit_status(lambda: main(["summary", "digits", "--out", "mine"]))
    assert status == 2
    assert capsys.readouterr().err == "error: --out mine: file too large\n"
    assert files_in(old.parent) == {"classes.png"}
    assert old.read_text() == "old"
