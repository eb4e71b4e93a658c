import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mame_cnn.data import mean_images
from mame_cnn.data.digits import load
from mame_cnn.data.figures import class_counts, class_sizes
from mame_cnn.data.layout import read_listing
from mame_cnn.data.sheets import MEANS, MOST_CLASSES, SHEET, dataset_sheets
from mame_cnn.data.survey import survey_folder
from tests.mame_cnn.data.conftest import Factory


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def plain(folder: Path, name: str, grey: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("L", (20, 20), grey).save(folder / name)


def test_a_mean_image_is_the_mean_of_a_classes_readable_training_images(tmp_path: Path) -> None:
    for name, grey in (("a.png", 10), ("b.png", 30)):
        plain(tmp_path / "train" / "dark", name, grey)
    plain(tmp_path / "train" / "light", "c.png", 200)
    (tmp_path / "train" / "light" / "d.png").write_text("no image")
    for split in ("val", "test"):  # which are not looked at
        plain(tmp_path / split / "dark", "e.png", 255)
        plain(tmp_path / split / "light", "f.png", 255)
    listing = read_listing(tmp_path)
    means = dict(mean_images.folder_means(listing, survey_folder(listing)))
    for name, expected in (("dark", 20), ("light", 200)):
        mean = means[name]
        assert mean is not None
        assert mean.shape == (mean_images.SIDE_PX, mean_images.SIDE_PX, 3)
        assert np.all(mean == expected)


def test_a_class_without_a_readable_image_has_no_mean(make: Factory) -> None:
    folder = make.class_folders()
    for path in (folder / "train" / "clay").iterdir():
        path.write_text("no image")
    listing = read_listing(folder)
    means = dict(mean_images.folder_means(listing, survey_folder(listing)))
    assert means["clay"] is None
    assert means["bronze"] is not None
    assert mean_images.draw(list(means.items())).width > 300


def test_a_class_is_sampled_evenly() -> None:
    assert mean_images.spread(3, most=5) == [0, 1, 2]
    assert mean_images.spread(10, most=5) == [0, 2, 4, 6, 8]
    assert mean_images.spread(0) == []


def test_sizes_are_counted_by_class(make: Factory) -> None:
    folder = make.class_folders()
    Image.new("RGB", (40, 30)).save(folder / "test" / "clay" / "large.png")
    survey = survey_folder(read_listing(folder))
    assert survey.sizes_by_class == {
        0: Counter({(12, 10): 7}),
        1: Counter({(12, 10): 7, (40, 30): 1}),
    }
    assert sum(survey.sizes_by_class.values(), Counter()) == survey.sizes


@pytest.mark.parametrize("n_classes", [2, 29, 150])
def test_any_number_of_classes_has_figures_that_can_be_opened(n_classes: int) -> None:
    classes = [f"class $x_{number}$ <b>" for number in range(n_classes)]
    counts = {"train": [7] * n_classes, "val": [0] * n_classes, "test": [0] * n_classes}
    sizes = {0: Counter({(10, 20): 3, (30, 20): 1})}
    for picture in (class_counts(classes, counts), class_sizes(classes, sizes)):
        assert opened(picture).height < 6000


def test_a_prepared_data_set_has_sheets_for_a_study_to_keep() -> None:
    sheets = {name: opened(content) for name, content in dataset_sheets(load(8)).items()}
    assert {name: sheet.format for name, sheet in sheets.items()} == {SHEET: "JPEG", MEANS: "JPEG"}
    assert sheets[SHEET].height == 10 * 100 + 4


def test_thousands_of_classes_have_sheets_all_the_same() -> None:
    digits = load(8)
    split = replace(digits.train, labels=np.arange(len(digits.train.labels)))
    classes = tuple(f"class {number}" for number in range(1000))
    sheets = dataset_sheets(replace(digits, classes=classes, train=split))
    assert opened(sheets[SHEET]).height == MOST_CLASSES * 100 + 4
    assert opened(sheets[MEANS]).height < 10_000
