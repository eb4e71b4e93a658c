"""The reference configurations of the project, and the layers that tables of documents list."""

from pathlib import Path

from mame_cnn.families.layer_table import LayerRow, layer_table
from mame_cnn.reference import Reference

FOLDER = Path(__file__).parents[2] / "studies" / "reference"


def table_of(reference: Reference) -> list[LayerRow]:
    """Return the layers that have weights or change the shape."""
    assert reference.config is not None
    image_size = reference.config.data.image_size
    rows = layer_table(
        reference.config.network,
        channels=reference.origin.channels,
        image_size=image_size,
        n_classes=reference.origin.classes,
    )
    before = [(reference.origin.channels, image_size, image_size), *(row.shape for row in rows)]
    return [
        row
        for row, shape in zip(rows, before, strict=False)
        if row.n_parameters or row.shape != shape
    ]
