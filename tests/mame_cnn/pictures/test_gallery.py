from pathlib import Path

import numpy as np
from PIL import Image

from mame_cnn.pictures.gallery import Answers, file_names, write_galleries

RED, GREEN = (255, 0, 0), (0, 255, 0)


def answers(predicted: list[int], labels: list[int], confidence: list[float]) -> Answers:
    """Return answers about plain images: the first red, the others green."""
    images = np.zeros((len(labels), 8, 8, 3), dtype=np.uint8)
    images[:] = GREEN
    images[0] = RED
    sure = np.array(confidence)[:, None]
    probs = np.eye(2)[predicted] * sure + np.eye(2)[1 - np.array(predicted)] * (1 - sure)
    return Answers(images, probs, np.array(labels), ("bronze", "clay"))


def middle_of_tile(path: Path, place: int) -> tuple[int, ...]:
    pixels = np.asarray(Image.open(path).convert("RGB"))
    row, column = divmod(place, 6)
    y, x = 44 + row * 190 + 75, 14 + column * 164 + 75
    return tuple(pixels[y, x].tolist())


def test_the_most_confident_wrong_answer_comes_first(tmp_path: Path) -> None:
    write_galleries(tmp_path, answers([1, 1, 1], [0, 0, 1], [0.9, 0.6, 0.99]))
    wrong = tmp_path / "gallery-wrong.png"
    assert [middle_of_tile(wrong, place) for place in (0, 1)] == [RED, GREEN]
    write_galleries(tmp_path, answers([1, 1, 1], [0, 0, 1], [0.6, 0.9, 0.99]))
    assert [middle_of_tile(wrong, place) for place in (0, 1)] == [GREEN, RED]
    assert middle_of_tile(wrong, 2) == (255, 255, 255)


def test_a_class_shows_those_of_its_own_that_were_recognised(tmp_path: Path) -> None:
    write_galleries(tmp_path, answers([0, 1, 1], [0, 0, 1], [0.9, 0.6, 0.8]))
    assert middle_of_tile(tmp_path / "gallery-bronze.png", 0) == RED
    assert middle_of_tile(tmp_path / "gallery-bronze.png", 1) == (255, 255, 255)
    assert middle_of_tile(tmp_path / "gallery-clay.png", 0) == GREEN


def test_there_is_no_gallery_of_nothing(tmp_path: Path) -> None:
    write_galleries(tmp_path, answers([0, 0], [0, 0], [0.9, 0.6]))
    assert [path.name for path in tmp_path.iterdir()] == ["gallery-bronze.png"]


def test_more_wrong_answers_than_a_gallery_shows_are_cut(tmp_path: Path) -> None:
    write_galleries(tmp_path, answers([1] * 40, [0] * 40, [0.9] * 40))
    with Image.open(tmp_path / "gallery-wrong.png") as picture:
        assert picture.height == 44 + 4 * 190


def test_grey_images_have_galleries_too(tmp_path: Path) -> None:
    images = np.full((1, 8, 8, 1), 128, dtype=np.uint8)
    write_galleries(
        tmp_path, Answers(images, np.array([[0.9, 0.1]]), np.array([0]), ("bronze", "$x$"))
    )
    assert middle_of_tile(tmp_path / "gallery-bronze.png", 0) == (128, 128, 128)


def test_file_names_are_safe_and_all_different() -> None:
    names = file_names(["a/b", "A b", "wrong", "../..", "", "日本" * 60, "Woven fabric "])
    assert names == [
        "gallery-a_b.png",
        "gallery-A_b-2.png",
        "gallery-wrong-2.png",
        "gallery-class.png",
        "gallery-class-2.png",
        f"gallery-{'日本' * 25}.png",
        "gallery-Woven_fabric.png",
    ]
    assert all(len(name.encode()) < 255 for name in names)
