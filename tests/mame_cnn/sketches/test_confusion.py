import numpy as np
import pytest
from PIL import Image

from mame_cnn.sketches.confusion import confusion_matrix

CLASSES = ("bronze", "clay", "oil")


CELL_PX = 34


def cells_of(picture: Image.Image) -> np.ndarray:
    """Return how dark the cells of three classes are, [3, 3], left of their numbers."""
    rows, columns = np.nonzero((np.asarray(picture) == (247, 251, 255)).all(2))
    corner = picture.crop((columns.min(), rows.min(), picture.width, picture.height))
    grey = 255 - np.asarray(corner.convert("L")).astype(int)
    return grey[3::CELL_PX, 3::CELL_PX][:3, :3]


def test_cells_are_dark_as_the_share_of_their_true_class() -> None:
    labels = np.array([0] * 10 + [1] * 4 + [2] * 2)
    predicted = np.array([0] * 10 + [1, 1, 0, 0] + [1, 1])
    cells = cells_of(confusion_matrix(predicted, labels, CLASSES))
    assert cells[0, 0] == cells[2, 1] > cells[1, 1] == cells[1, 0] > cells[0, 1] == cells[2, 2]


@pytest.mark.parametrize("n_classes", [1, 2, 29, 57, 100, 700])
def test_any_number_of_classes_has_a_picture_of_bounded_size(n_classes: int) -> None:
    labels = np.arange(n_classes)
    classes = [f"class {number}" for number in labels]
    picture = confusion_matrix(labels, labels, classes)
    assert max(picture.size) <= max(n_classes, 640) + 320


@pytest.mark.parametrize(
    "name", ["", "\n", 'quote " and <b>', "a\nb", "$x_1$", "Ωμέγα Масло 油画", "x" * 500]
)
def test_any_name_of_a_class_can_be_written(name: str) -> None:
    labels = np.array([0, 1, 1])
    picture = confusion_matrix(labels, labels, (name, "clay"))
    assert picture.width < 900


def test_a_class_without_an_image_has_an_empty_row() -> None:
    labels = np.array([0, 0, 1])
    cells = cells_of(confusion_matrix(labels, labels, CLASSES))
    assert cells[0, 0] > 100
    assert cells[2].max() < 10
