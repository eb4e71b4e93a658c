"""Two sheets of the images that a search trains on, for the study to keep.

Small and fast to make, as every search waits for them: no matplotlib, and no PNG, which takes
ten times as long for photographs.
"""

import io

from PIL import Image

from mame_cnn.data import contact_sheet, mean_images
from mame_cnn.data.dataset import Dataset

SHEET, MEANS = "contact_sheet.jpg", "mean_images.jpg"
MOST_CLASSES = 50
"""Of classes on the contact sheet, the first: 5,000 px of height."""
_QUALITY = 85  # percent; the names beside the images stay sharp


def dataset_sheets(dataset: Dataset) -> dict[str, bytes]:
    """Return the contact sheet and the mean images of a data set as it is prepared."""
    rows = contact_sheet.dataset_rows(dataset, MOST_CLASSES)
    means = list(mean_images.dataset_means(dataset))
    return {SHEET: _jpeg(contact_sheet.draw(rows)), MEANS: _jpeg(mean_images.draw(means))}


def _jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=_QUALITY)
    return content.getvalue()
