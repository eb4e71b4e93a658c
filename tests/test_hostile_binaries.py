"""Images, archives and weights that lie or explode are refused before they are read."""

import io
import json
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands.errors import UserError
from mame_cnn.data import images
from mame_cnn.data.archive import unpack
from mame_cnn.models.model_file import read_model, write_model
from search.files.predictions import read_predictions
from tests.hostile import ESCAPE, refused
from tests.mame_cnn.small_models import make_model
from tests.search.predicting import npz


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_an_image_that_claims_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as some libraries do
    monkeypatch.setattr(images, "_to_rgb", lambda image: pytest.fail("decoded"))
    for width, height in ((20_000, 20_000), (2**31 - 1, 2**31 - 1), (images.MOST_PIXELS + 1, 1)):
        (tmp_path / "a.png").write_bytes(png(width, height))
        with pytest.raises(images.UnreadableImageError, match=r"pixels, at most 178,956,970"):
            images.read_image(tmp_path / "a.png", 8)
        with pytest.raises(images.UnreadableImageError, match="pixels, at most"):
            images.inspect_image(tmp_path / "a.png")


def test_of_large_images_one_is_decoded_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_LARGE_PIXELS", 99)
    held: list[bool] = []
    to_rgb = images._to_rgb

    def watched(image: Image.Image) -> Image.Image:
        held.append(images._LARGE.locked())
        return to_rgb(image)

    monkeypatch.setattr(images, "_to_rgb", watched)
    for side in (9, 10):
        (tmp_path / "a.png").write_bytes(png(side, side, (b"\0" + bytes(3 * side)) * side))
        images.read_image(tmp_path / "a.png", 8)
    assert held == [False, True]
    assert not images._LARGE.locked()


def test_no_image_starts_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow hands EPS to Ghostscript.
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    for program in (subprocess, "Popen"), (subprocess, "check_call"):
        monkeypatch.setattr(*program, lambda *a, **k: pytest.fail("started a program"))
    for name in ("a.eps", "a.jpg"):
        (tmp_path / name).write_bytes(eps)
        with pytest.raises(images.UnreadableImageError, match="not an image"):
            images.read_image(tmp_path / name, 8)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_archive_of_any_compression_is_one_message(tmp_path: Path, method: int) -> None:
    path, into = tmp_path / "a.zip", tmp_path / "into"
    into.mkdir()
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("top/a", bytes(range(256)) * 8)
    sound = path.read_bytes()
    start = sound.index(b"top/a") + 5
    messages = []
    for place in range(start, start + 40):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0xFF]) + sound[place + 1 :])
        try:
            unpack(path, into)
        except UserError as error:
            messages.append(str(error))
        else:  # LZMA's size of the dictionary may be another
            assert (into / "top" / "a").read_bytes() == bytes(range(256)) * 8
            shutil.rmtree(into / "top")
    assert len(messages) > 30
    assert all("damaged archive" in message for message in messages)
    assert list(into.iterdir()) == []


def test_an_archive_whose_names_are_no_text_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("é.txt", b"a")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xfe"))
    assert "damaged archive" in refused(lambda: unpack(path, tmp_path))


def bomb(n_bytes: int) -> bytes:
    content = io.BytesIO()
    header = {"descr": "<f2", "fortran_order": False, "shape": (n_bytes // 4, 2)}
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("probs.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(n_bytes // 2**20):
            member.write(bytes(2**20))
    return content.getvalue()


def test_predictions_that_would_fill_the_memory_are_refused_by_their_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = bomb(300 * 2**20)
    assert len(content) < 2**19
    monkeypatch.setattr(np, "load", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match="would unpack to 300 MiB, at most 256 are read"):
        read_predictions(content)


def claimed(header: str) -> bytes:
    """Return an .npz whose probabilities have a header that says anything."""
    sound = npz(probs=np.full((3, 2), 0.5), labels=np.array([0, 1, 1]), epoch=1)
    text = header.encode() + b"\n"
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound)) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(48)
        new.writestr("probs.npy", array)
    return content.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "header",
    [
        *(
            f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
            for shape in (
                "(10**99, 2)",
                "(9999999999999999, 2)",
                "(2**40, 2)",
                "(-3, 2)",
                "(3, [])",
            )
        ),
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 2)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2)}",
        "__import__('os').system('true')",
        "(" * 5000,
        "{'descr': ",
        "\x00",
        "",
    ],
)
def test_an_array_whose_header_lies_is_damaged(header: str) -> None:
    with pytest.raises(ValueError, match=r"no \.npz file|damaged|probs are"):
        read_predictions(claimed(header))


def test_a_member_that_is_no_array_is_damaged() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("probs.npy", "labels.npy", "epoch.npy"):
            archive.writestr(name, b"no array")
    with pytest.raises(ValueError, match="not floating-point"):
        read_predictions(content.getvalue())


@pytest.mark.parametrize("label", [-1, 2, 2**62])
def test_labels_of_no_class_are_no_predictions(label: int) -> None:
    content = npz(probs=np.full((3, 2), 0.5), labels=np.array([0, 1, label]), epoch=1)
    with pytest.raises(ValueError, match="of 2 classes"):
        read_predictions(content)


def safetensors(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [0, 2**64 - 1], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [2**63, 0], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [2**64 - 4, 2**64]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [float("nan")], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]},
        {"dtype": "object", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "file": "/etc/passwd"},
    ],
)
def test_weights_whose_header_lies_are_one_message(tmp_path: Path, entry: dict[str, Any]) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(safetensors({"output.bias": entry}, bytes(4)))
    message = refused(lambda: read_model(path))
    assert message.startswith(f"{path}: ")


def test_a_shape_that_no_tensor_can_have_is_told_and_never_built(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_model(path, make_model())
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    size = len(data)
    header["zero"] = {"dtype": "F32", "shape": [0, 2**64 - 1], "data_offsets": [size, size]}
    path.write_bytes(safetensors(header, data))
    assert "zero: unexpected" in refused(lambda: read_model(path))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("channels", 2**62, "channels: input should be less than or equal to 4"),
        ("classes", ["a", "b", "c", ESCAPE], "classes.3: must hold no control characters"),
        ("data_name", ESCAPE, "data_name: must hold no control characters"),
        ("provenance", {"a": 10**30}, "provenance is not valid JSON: an integer"),
        ("metrics", {"a": "[" * 40}, "metrics.a: input should be a valid number"),
    ],
)
def test_a_models_header_that_goes_too_far_is_refused(
    tmp_path: Path, name: str, value: object, expected: str
) -> None:
    path = tmp_path / "weights.safetensors"
    write_model(path, make_model())
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"][name] = json.dumps(value)
    path.write_bytes(safetensors(header, content[8 + length :]))
    message = refused(lambda: read_model(path))
    assert expected in message
    assert "\x1b" not in message


def test_weights_larger_than_any_model_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with path.open("wb") as file:
        file.truncate(2**33)  # takes no room on the disk
    assert "8.0 GiB; a model has at most 4" in refused(lambda: read_model(path))
