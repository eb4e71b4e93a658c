import errno
import multiprocessing
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands.errors import UserError
from mame_cnn.data import cache as store
from mame_cnn.data import prepare as preparation
from mame_cnn.data.dataset import Pixels
from mame_cnn.data.images import read_image
from mame_cnn.data.layout import read_listing
from mame_cnn.data.load import load_dataset, load_test
from tests.mame_cnn.data.conftest import Factory

Usage = namedtuple("Usage", "total used free")


def arrays(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.npy"))


def count_decoding(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    decoded: list[Path] = []

    def read(path: Path, image_size: int) -> Pixels:
        decoded.append(path)
        return read_image(path, image_size)

    monkeypatch.setattr(preparation, "read_image", read)
    return decoded


def test_the_arrays_hold_what_pillow_reads_in_the_order_of_the_listing(make: Factory) -> None:
    folder = make.class_folders()
    data = load_dataset(str(folder), 8)
    for i, name in enumerate(data.train.names):
        with Image.open(folder / "train" / name) as image:
            oracle = np.asarray(image.resize((8, 8), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(data.train.images[i], oracle)
        assert data.classes[data.train.labels[i]] == name.partition("/")[0]


def test_mean_and_deviation_are_those_of_the_train_images(make: Factory) -> None:
    data = load_dataset(str(make.mame()), 8)
    scaled = data.train.images.reshape(-1, 3) / 255
    assert data.mean == pytest.approx(scaled.mean(axis=0), abs=1e-12)
    assert data.std == pytest.approx(scaled.std(axis=0), abs=1e-12)


def test_the_arrays_are_mapped_contiguous_and_read_only(make: Factory) -> None:
    images = load_dataset(str(make.mame()), 8).train.images
    assert isinstance(images, np.memmap)
    assert images.flags.c_contiguous
    assert not images.flags.writeable
    assert images.shape == (7, 8, 8, 3)


def test_the_second_time_nothing_is_decoded(
    make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(make.mame())
    first = load_dataset(folder, 8)
    decoded = count_decoding(monkeypatch)
    second = load_dataset(folder, 8)
    assert decoded == []
    assert (second.digest, second.mean, second.std) == (first.digest, first.mean, first.std)


def test_the_test_split_is_decoded_by_load_test_alone(
    make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make.class_folders()
    decoded = count_decoding(monkeypatch)
    load_dataset(str(folder), 8)
    assert {path.relative_to(folder).parts[0] for path in decoded} == {"train", "val"}
    decoded.clear()
    assert len(load_test(str(folder), 8).images) == 3
    assert {path.relative_to(folder).parts[0] for path in decoded} == {"test"}


def test_without_a_test_split_load_test_says_so(make: Factory) -> None:
    with pytest.raises(UserError, match="has no test split"):
        load_test(str(make.class_folders({"train": {"bronze": 4, "clay": 4}})), 8)


def test_a_changed_file_is_prepared_anew_and_replaces_the_old_arrays(
    make: Factory, cache: Path
) -> None:
    folder = make.class_folders()
    before = load_dataset(str(folder), 8)
    Image.new("RGB", (9, 9)).save(folder / "train" / "clay" / "clay0.png")
    after = load_dataset(str(folder), 8)
    assert after.digest != before.digest
    assert not after.train.images[after.train.names.index("clay/clay0.png")].any()
    assert len(arrays(cache)) == 2


def test_a_changed_time_alone_leads_to_a_new_preparation(
    make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make.class_folders()
    before = load_dataset(str(folder), 8)
    os.utime(folder / "val" / "clay" / "clay0.png", ns=(1, 1))
    decoded = count_decoding(monkeypatch)
    assert load_dataset(str(folder), 8).digest == before.digest
    assert len(decoded) == 11


def test_every_image_size_keeps_its_own_arrays(make: Factory, cache: Path) -> None:
    folder = str(make.mame())
    assert load_dataset(folder, 8).digest != load_dataset(folder, 9).digest
    assert len(arrays(cache)) == 4


def test_equal_content_has_one_digest_wherever_it_lies(make: Factory, tmp_path: Path) -> None:
    folder = make.class_folders()
    shutil.copytree(folder, tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere/train/clay/clay0.png", ns=(5, 5))
    one = load_dataset(str(folder), 8, tmp_path / "a")
    other = load_dataset(str(tmp_path / "elsewhere"), 8, tmp_path / "b")
    assert one.digest == other.digest
    assert len(one.digest) == 12


def test_the_digest_knows_names_labels_and_val(make: Factory) -> None:
    folder = make.class_folders()
    digests = {load_dataset(str(folder), 8).digest}
    (folder / "train/clay/clay0.png").rename(folder / "train/clay/other.png")
    digests.add(load_dataset(str(folder), 8).digest)
    (folder / "train/clay").rename(folder / "train/dust")
    (folder / "val/clay").rename(folder / "val/dust")
    (folder / "test/clay").rename(folder / "test/dust")
    digests.add(load_dataset(str(folder), 8).digest)
    shutil.copy(folder / "val/dust/clay0.png", folder / "val/dust/clay1.png")
    digests.add(load_dataset(str(folder), 8).digest)
    assert len(digests) == 4


@pytest.mark.parametrize(
    "damage", ["truncated", "missing", "overwritten", "other type", "no record", "garbled record"]
)
def test_a_damaged_preparation_is_made_again(make: Factory, cache: Path, damage: str) -> None:
    folder = str(make.mame())
    before = np.array(load_dataset(folder, 8).train.images)
    array = next(path for path in arrays(cache) if path.name == "train.npy")
    if damage == "truncated":
        os.truncate(array, array.stat().st_size - 1)
    elif damage == "missing":
        array.unlink()
    elif damage == "overwritten":
        with array.open("r+b") as file:
            file.write(b"garbage!")
    elif damage == "other type":
        array.write_bytes(array.read_bytes().replace(b"'|u1'", b"'|i1'", 1))
    elif damage == "no record":
        array.with_name(store.META).unlink()
    else:
        array.with_name(store.META).write_text("[1, 2")
    np.testing.assert_array_equal(load_dataset(folder, 8).train.images, before)


def test_too_small_a_disk_is_refused_before_anything_is_written(
    make: Factory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 0, 1000))
    with pytest.raises(UserError, match=r"no room: .* need 1 MiB, 0 MiB are free"):
        load_dataset(str(make.mame()), 8)
    assert arrays(cache) == []


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_nothing_and_is_named(
    make: Factory, cache: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", fail)
    with pytest.raises(UserError, match=r"disk filled up.*MAME_CACHE"):
        load_dataset(str(make.mame()), 8)
    assert [path for path in cache.rglob("*") if path.name.startswith(".")] == []
    monkeypatch.undo()
    assert len(load_dataset(str(make.mame(name="again")), 8, cache).train.images) == 7


def test_an_interruption_leaves_nothing(
    make: Factory, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(preparation, "dataset_digest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(str(make.mame()), 8)
    assert arrays(cache) == []


def test_what_a_killed_process_left_is_removed(make: Factory, cache: Path) -> None:
    folder = str(make.mame())
    load_dataset(folder, 8)
    home = arrays(cache)[0].parent.parent
    left = home / ".train+val-abandoned"
    left.mkdir()
    arrays(cache)[0].unlink()
    load_dataset(folder, 8)
    assert not left.exists()


def test_a_cache_that_cannot_be_a_folder_is_named(make: Factory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"cannot be written.*MAME_CACHE"):
        load_dataset(str(make.mame()), 8, tmp_path / "file")


def _load(folder: str, cache: str) -> str:
    return load_dataset(folder, 8, Path(cache)).digest


def test_processes_that_prepare_at_the_same_time_all_end_well(make: Factory, cache: Path) -> None:
    folder = make.mame({"train": {"bronze": 40, "clay": 40}, "val": {"bronze": 9, "clay": 9}})
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        digests = pool.starmap(_load, [(str(folder), str(cache))] * 3, chunksize=1)
        pool.close()
        pool.join()
    assert len(set(digests)) == 1
    assert len(arrays(cache)) == 2


def test_a_source_key_holds_the_rules_version(
    make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = read_listing(make.mame())
    files, _ = preparation._files(listing, ["train"])
    one = preparation._place(listing, files, 8, None)
    monkeypatch.setattr(preparation, "RULES_VERSION", 999)
    assert preparation._place(listing, files, 8, None).key != one.key


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("MAME_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.cache_folder() == tmp_path / "xdg" / "mame-cnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert store.cache_folder() == tmp_path / "home" / ".cache" / "mame-cnn"
