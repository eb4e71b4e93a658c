"""A factory of tiny image folders in both layouts, and a cache of each test's own."""

import hashlib
import os
import resource
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Counts = Mapping[str, Mapping[str, int]]  # split -> class -> number of images
COUNTS: Counts = {
    "train": {"bronze": 4, "clay": 3},
    "val": {"bronze": 2, "clay": 2},
    "test": {"bronze": 1, "clay": 2},
}
HEADER = "Image file,Medium,Museum,Subset,Width,Height"


def noise(name: str, width: int = 12, height: int = 10) -> Image.Image:
    """Return an RGB image that depends on its name alone."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


class Factory:
    """Makes image folders below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def class_folders(self, counts: Counts = COUNTS, name: str = "folders") -> Path:
        folder = self.root / name
        for split, classes in counts.items():
            for class_name, n_images in classes.items():
                (folder / split / class_name).mkdir(parents=True)
                for i in range(n_images):
                    image = noise(f"{split} {class_name} {i}")
                    image.save(folder / split / class_name / f"{class_name}{i}.png")
        return folder

    def mame(
        self,
        counts: Counts = COUNTS,
        name: str = "mame",
        images: str = "data_256",
        metadata: str = "MAMe_metadata",
        labels: tuple[str, ...] = ("bronze", "clay"),
    ) -> Path:
        folder = self.root / name
        (folder / images).mkdir(parents=True)
        (folder / metadata).mkdir(exist_ok=True)
        rows = [HEADER]
        for split, classes in counts.items():
            for class_name, n_images in classes.items():
                for i in range(n_images):
                    file = f"{split}.{class_name}.{i}.png"
                    noise(file).save(folder / images / file)
                    rows.append(f"{file},{class_name},Louvre,{split},3144.0,3840.0")
        table = folder / metadata / "MAMe_dataset.csv"
        table.write_text("\n".join(rows) + "\n")
        numbered = [f"{k},{label}\n" for k, label in enumerate(labels)]
        table.with_name("MAMe_labels.csv").write_text("".join(numbered))
        return folder


@pytest.fixture
def make(tmp_path: Path) -> Factory:
    return Factory(tmp_path / "data")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MAME_CACHE", str(folder))
    monkeypatch.delenv("MAME_DATA", raising=False)
    return folder


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let the kernel refuse every write beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def put_special_file(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something in the place of an image that may block for ever when it is opened."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(path.parent)  # a socket's path may have 107 bytes only
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
