from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mame_cnn.data.images import UnreadableImageError, inspect_image, read_image
from tests.mame_cnn.data.conftest import noise


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_an_rgb_image_of_the_right_size_is_read_unchanged(tmp_path: Path) -> None:
    image = noise("a", 16, 16)
    pixels = read_image(saved(image, tmp_path / "a.png"), 16)
    np.testing.assert_array_equal(pixels, np.asarray(image))
    assert pixels.dtype == np.uint8


def test_greyscale_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = noise("a", 8, 8).convert("L")
    pixels = read_image(saved(grey, tmp_path / "a.png"), 8)
    for channel in range(3):
        np.testing.assert_array_equal(pixels[..., channel], np.asarray(grey))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_greyscale_is_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    pixels = read_image(saved(Image.fromarray(values), tmp_path / f"a.{suffix}"), 8)
    np.testing.assert_array_equal(pixels[..., 0], np.rint(values / 257).astype(np.uint8))


def test_a_16_bit_portable_graymap_is_scaled_too(tmp_path: Path) -> None:
    values = np.full((8, 8), 32896, dtype=">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 65535\n" + values.tobytes())
    assert np.unique(read_image(tmp_path / "a.pgm", 8)).tolist() == [128]


def test_bilevel_and_palette_images_become_rgb(tmp_path: Path) -> None:
    bilevel = saved(Image.new("1", (8, 8), 1), tmp_path / "a.png")
    palette = saved(Image.new("RGB", (8, 8), (10, 20, 30)).quantize(), tmp_path / "b.png")
    assert read_image(bilevel, 8).min() == 255
    assert read_image(palette, 8)[0, 0].tolist() == [10, 20, 30]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    cyan = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), tmp_path / "a.jpg", quality=95)
    red, green, blue = read_image(cyan, 8)[4, 4].tolist()
    assert red < 10
    assert min(green, blue) > 245


def test_transparent_pixels_lie_over_white(tmp_path: Path) -> None:
    clear = saved(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), tmp_path / "a.png")
    half = saved(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), tmp_path / "b.png")
    grey = saved(Image.new("LA", (8, 8), (0, 0)), tmp_path / "c.png")
    assert read_image(clear, 8).min() == 255
    assert read_image(half, 8)[0, 0].tolist() == [127, 127, 127]
    assert read_image(grey, 8).min() == 255


def test_a_transparent_palette_entry_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    assert read_image(saved(image, tmp_path / "a.png", transparency=1), 8).min() == 255
    assert read_image(saved(image, tmp_path / "b.png", transparency=b"\xff\x00"), 8).min() == 255


def test_an_exif_orientation_turns_the_image_upright(tmp_path: Path) -> None:
    image = noise("a", 8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side: turn by 90 degrees clockwise
    pixels = read_image(saved(image, tmp_path / "a.png", exif=exif), 8)
    np.testing.assert_array_equal(pixels, np.rot90(np.asarray(image), -1))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path, suffix: str) -> None:
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("white", "black"))
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=[second])
    assert read_image(path, 8).min() == 255


def test_an_oblong_image_is_squeezed_and_not_cropped(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 10))
    image.paste("white", (0, 0, 20, 10))
    pixels = read_image(saved(image, tmp_path / "a.png"), 8)
    assert pixels.shape == (8, 8, 3)
    assert pixels[:, :3].min() > 240
    assert pixels[:, 5:].max() < 15


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255
    pixels = read_image(saved(Image.fromarray(stripes), tmp_path / "a.png"), 8)
    assert abs(pixels.astype(int) - 127).max() <= 6  # aliased, it would be 0 or 255


def test_coarse_jpeg_decoding_changes_little(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 256 * 256).reshape(256, 256).astype(np.uint8)
    path = saved(Image.fromarray(ramp), tmp_path / "a.jpg", quality=95)
    with Image.open(path) as image:
        full = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)).astype(int)
    assert abs(read_image(path, 16)[..., 0] - full).max() <= 2


def test_truncated_and_other_files_are_unreadable(tmp_path: Path) -> None:
    whole = saved(noise("a", 64, 64), tmp_path / "a.jpg").read_bytes()
    faults = {"cut.jpg": whole[: len(whole) // 2], "text.jpg": b"no image", "empty.png": b""}
    for name, content in faults.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImageError, match=r"truncated|not an image"):
            read_image(tmp_path / name, 8)
        with pytest.raises(UnreadableImageError, match=r"truncated|not an image"):
            inspect_image(tmp_path / name)


def test_a_decompression_bomb_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(noise("a", 30, 30), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30 * 30 // 2 - 1)
    with pytest.raises(UnreadableImageError, match="decompression bomb"):
        read_image(path, 8)


def test_floating_point_pixels_are_unreadable(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.ones((8, 8), dtype=np.float32)), tmp_path / "a.tiff")
    with pytest.raises(UnreadableImageError, match="floating-point"):
        read_image(path, 8)


def test_the_stored_size_is_told_even_where_the_decoding_is_coarse(tmp_path: Path) -> None:
    assert inspect_image(saved(noise("a", 200, 100), tmp_path / "a.jpg")) == (200, 100)
