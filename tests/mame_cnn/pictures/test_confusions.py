from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mame_cnn.pictures.confusions import confusions_html, confusions_png, shares

COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
CLASSES = ("bronze", "$clay$ <b>", "a name of no less than sixty letters, which is too long")


def test_shares_are_of_true_classes_and_0_where_there_are_none() -> None:
    assert shares(COUNTS).tolist() == [[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 0]]


@pytest.mark.parametrize("n_networks", [1, 2, 4, 5])
def test_every_network_has_its_matrix_in_the_png(tmp_path: Path, n_networks: int) -> None:
    # A network that is always right has three dark cells, and nothing else is that dark a blue.
    matrices = {f"network {i}": np.diag([10, 10, 10]) for i in range(n_networks)}
    confusions_png(tmp_path / "matrices.png", matrices, CLASSES)
    pixels = np.asarray(Image.open(tmp_path / "matrices.png").convert("RGB")).astype(int)
    blue = (pixels[:, :, 2] > pixels[:, :, 0] + 60) & (pixels.sum(2) < 200)
    cell = blue.sum() / (3 * n_networks)
    side = 2.6 * 110 / 3  # inches of a matrix * pixels an inch / classes
    assert 0.8 * side**2 < cell < side**2


def test_the_page_needs_nothing_else_and_takes_no_name_for_markup(tmp_path: Path) -> None:
    path = tmp_path / "matrices.html"
    confusions_html(path, {"ensemble of 2": COUNTS, "<i>a</i>": COUNTS}, CLASSES)
    page = path.read_text()
    assert "<script src" not in page
    drawing = page[page.rindex("Plotly.newPlot") :]
    assert "ensemble of 2: 85.0%" in drawing
    assert "lt;i" in drawing  # & itself is written as an escape of JSON
    assert "<i>a" not in drawing
    assert drawing.count('"type":"heatmap"') == 2 + drawing.count('"heatmap":[{')
