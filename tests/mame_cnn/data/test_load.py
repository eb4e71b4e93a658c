import shutil
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.data.load import find_source, list_test, load_dataset, load_test
from tests.mame_cnn.data.conftest import Factory


def test_a_given_source_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAME_DATA", str(tmp_path))
    assert find_source("given") == "given"
    assert find_source(None) == str(tmp_path)


def test_an_empty_source_is_refused_and_an_empty_variable_is_not_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Factory
) -> None:
    monkeypatch.chdir(make.class_folders())
    monkeypatch.setenv("MAME_DATA", "")
    assert find_source(None) == "digits"
    with pytest.raises(UserError, match="--data: empty, perhaps an unset variable; give a folder"):
        find_source("")
    with pytest.raises(UserError, match="empty"):
        load_dataset("")
    with pytest.raises(UserError, match="empty"):
        load_test("")


def test_data_mame_is_tried_before_the_digits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_source(None) == "digits"
    (tmp_path / "data" / "mame" / "data_256").mkdir(parents=True)
    assert find_source(None) == "data/mame"


def test_a_folder_with_nothing_but_hidden_files_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "mame").mkdir(parents=True)
    (tmp_path / "data" / "mame" / ".fetch.lock").touch()
    assert find_source(None) == "digits"


def test_an_environment_that_names_no_folder_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAME_DATA", "/nowhere/at/all")
    with pytest.raises(UserError, match=r"\$MAME_DATA: /nowhere/at/all is not a folder"):
        find_source(None)


@pytest.mark.parametrize("image_size", [7, 1025, 0, -1])
def test_an_image_size_out_of_range_is_refused(image_size: int) -> None:
    with pytest.raises(UserError, match=rf"image size {image_size}: must be 8 to 1024 px"):
        load_dataset("digits", image_size)
    with pytest.raises(UserError, match="must be 8 to 1024"):
        load_test("digits", image_size)


def test_a_folder_is_prepared_at_256_px_by_default(make: Factory) -> None:
    folder = make.mame()
    data = load_dataset(str(folder))
    assert data.train.images.shape == (7, 256, 256, 3)
    assert (data.name, data.source, data.channels) == ("mame", str(folder), 3)


def test_both_layouts_give_labels_that_fit_the_names(make: Factory) -> None:
    data = load_dataset(str(make.mame()), 8)
    assert [data.classes[k] for k in data.val.labels] == [
        name.split(".")[1] for name in data.val.names
    ]


def test_notes_of_the_folder_reach_the_user(make: Factory) -> None:
    data = load_dataset(str(make.class_folders({"train": {"bronze": 8, "clay": 8}})), 8)
    assert "serve as val" in data.notes[0]


@pytest.mark.parametrize("source", ["digits", "mame", "folders"])
def test_the_test_split_is_listed_as_it_is_opened(make: Factory, source: str) -> None:
    made = {"mame": make.mame, "folders": make.class_folders}
    where = str(made[source]()) if source in made else source
    listed, opened = list_test(where), load_test(where, 8)
    assert listed.data_name == source
    assert listed.classes == load_dataset(where, 8).classes
    assert listed.names == opened.names
    assert list(listed.labels) == opened.labels.tolist()


def test_listing_the_test_split_opens_no_image(make: Factory) -> None:
    folder = make.mame()
    for path in (folder / "data_256").iterdir():
        path.unlink()
    assert len(list_test(str(folder)).names) == 3


def test_a_source_without_a_test_split_lists_nothing(make: Factory) -> None:
    folder = make.class_folders({"train": {"bronze": 8, "clay": 8}})
    assert list_test(str(folder)).names == ()


def test_images_carry_the_museums_that_the_metadata_name(make: Factory) -> None:
    folder = make.mame()
    table = folder / "MAMe_metadata" / "MAMe_dataset.csv"
    table.write_text(
        table.read_text().replace("val.clay.0.png,clay,Louvre", "val.clay.0.png,clay, ")
    )
    assert load_dataset(str(folder), 8).val.museums == ("Louvre", "Louvre", "", "Louvre")


def test_folders_that_name_no_museum_have_none(make: Factory) -> None:
    assert load_dataset(str(make.class_folders()), 8).val.museums == ()
    folder = make.mame()
    table = folder / "MAMe_metadata" / "MAMe_dataset.csv"
    table.write_text(table.read_text().replace("Museum", "House"))
    assert load_dataset(str(folder), 8).val.museums == ()


def test_validation_images_that_are_trained_on_are_told(make: Factory, tmp_path: Path) -> None:
    folder, cache = make.class_folders(), tmp_path / "own-cache"
    assert load_dataset(str(folder), 8, cache, progress=False).notes == ()
    shutil.copy(folder / "train/bronze/bronze0.png", folder / "val/bronze/bronze1.png")
    for _ in range(2):  # decoded, then read from the cache
        [note] = load_dataset(str(folder), 8, cache, progress=False).notes
        assert note.startswith("1 validation image is a training image too, pixel for pixel")
    shutil.copy(folder / "train/clay/clay0.png", folder / "val/clay/clay0.png")
    [note] = load_dataset(str(folder), 8, cache, progress=False).notes
    assert note.startswith("2 validation images are training images too")
