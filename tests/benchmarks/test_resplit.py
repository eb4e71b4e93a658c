"""The re-split is a rule, not a draw: the same images in any process and any layout."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.resplit import link, main, resplit
from commands.errors import UserError
from mame_cnn.data.layout import read_listing
from mame_cnn.data.listing import Item, Listing

COUNTS = {"train": (40, 20), "val": (8, 4), "test": (6, 2)}


def make_listing(reverse: bool = False) -> Listing:
    def items(split: str) -> tuple[Item, ...]:
        made = [
            Item(f"{label}/{split}-{n}.png", Path(f"/{split}/{label}/{split}-{n}.png"), label)
            for label, count in enumerate(COUNTS[split])
            for n in range(count)
        ]
        return tuple(reversed(made) if reverse else made)

    return Listing(Path("/here"), "class folders", ("a", "b"), {s: items(s) for s in COUNTS})


def names(items: tuple[Item, ...] | list[Item]) -> set[str]:
    return {item.path.name + str(item.label) for item in items}


def test_splits_have_the_sizes_asked_for_and_share_no_image() -> None:
    splits = resplit(make_listing(), 45, 30)
    assert {split: len(items) for split, items in splits.items()} == {"train": 45, "val": 30}
    assert not names(list(splits["train"])) & names(list(splits["val"]))


def test_each_class_gives_its_share() -> None:
    splits = resplit(make_listing(), 36, 24)
    # Of 48 and 24 images two thirds and one.
    assert [item.label for item in splits["val"]].count(0) == 16
    assert [item.label for item in splits["train"]].count(0) == 24


def test_test_images_are_left_alone_where_the_others_are_enough() -> None:
    splits = resplit(make_listing(), 42, 30)
    assert not any("test" in item.path.name for items in splits.values() for item in items)


def test_test_images_are_taken_where_the_others_are_too_few() -> None:
    splits = resplit(make_listing(), 50, 30)
    assert sum("test" in item.path.name for items in splits.values() for item in items) == 8


def test_the_choice_does_not_depend_on_the_order_of_the_listing() -> None:
    one, other = resplit(make_listing(), 45, 30), resplit(make_listing(reverse=True), 45, 30)
    assert names(list(one["val"])) == names(list(other["val"]))


def test_the_choice_is_the_same_for_ever() -> None:
    chosen = [(item.label, item.path.stem) for item in resplit(make_listing(), 8, 6)["val"]]
    first = [(0, "train-9"), (0, "train-22"), (0, "train-32"), (0, "val-2")]
    assert sorted(chosen) == sorted([*first, (1, "train-9"), (1, "val-2")])


def test_more_images_than_there_are_is_refused_with_both_numbers() -> None:
    with pytest.raises(UserError, match="60 train and 40 val images are asked for, there are 80"):
        resplit(make_listing(), 60, 40)


def test_links_are_a_folder_that_any_reader_understands(tmp_path: Path) -> None:
    for split, counts in COUNTS.items():
        for label, count in enumerate(counts):
            place = tmp_path / "there" / split / f"class{label}"
            place.mkdir(parents=True)
            for n in range(count):
                (place / f"{n}.png").touch()  # equal names in different splits
    splits = resplit(read_listing(tmp_path / "there"), 48, 32)
    link(splits, tmp_path / "here")
    listing = read_listing(tmp_path / "here")
    for split, items in splits.items():
        linked = [item.path.resolve() for item in listing.splits[split]]
        assert sorted(linked) == sorted(item.path for item in items)
        assert listing.counts(split) == [
            sum(item.label == label for item in items) for label in (0, 1)
        ]


def test_the_command_lays_the_new_splits_out_as_class_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for split, counts in COUNTS.items():
        for label, count in zip("ab", counts, strict=True):
            (data / split / label).mkdir(parents=True)
            for n in range(count):
                Image.new("RGB", (8, 8)).save(data / split / label / f"{n}.png")
    asked = [str(data), str(out), "--train-images", "40", "--val-images", "20"]
    assert main(asked) == 0
    assert capsys.readouterr().out == f"{out}: 40 train and 20 val images\n"
    splits = read_listing(out).splits
    assert [len(splits[split]) for split in ("train", "val")] == [40, 20]
    with pytest.raises(UserError, match="is there already"):
        main(asked)
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("data", "out")] == []
