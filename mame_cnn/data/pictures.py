"""The pictures of a source of images, by file name."""

import io
from collections.abc import Sequence

from PIL import Image

from mame_cnn.data import contact_sheet, digits, mean_images
from mame_cnn.data.figures import class_counts, class_sizes
from mame_cnn.data.listing import Listing
from mame_cnn.data.summary import Contents
from mame_cnn.data.survey import Survey

CLASSES, SIZES = "classes.png", "sizes.png"
MEANS, SHEET = "mean_images.png", "contact_sheet.png"
CAPTIONS = {
    CLASSES: "Images of each class",
    SIZES: "Sizes by class, of all readable images",
    SHEET: "Training images of each class",
    MEANS: "Mean images",
}
"""In the order in which a page shows them."""


def folder_pictures(listing: Listing, contents: Contents, survey: Survey) -> dict[str, bytes]:
    """Return the pictures of a folder; none of images that are not there, or of their one size."""
    pictures = {CLASSES: class_counts(contents.classes, contents.counts)}
    if len(survey.sizes) > 1:
        pictures[SIZES] = class_sizes(contents.classes, survey.sizes_by_class)
    rows = contact_sheet.folder_rows(listing, survey)
    if any(tiles for _, tiles in rows):
        means = list(mean_images.folder_means(listing, survey))
        pictures |= _of_images(rows, means)
    return pictures


def digit_pictures(contents: Contents) -> dict[str, bytes]:
    """Return the pictures of the embedded digits, all of which have one size."""
    means = list(mean_images.dataset_means(digits.load(mean_images.SIDE_PX)))
    counts = class_counts(contents.classes, contents.counts)
    return {CLASSES: counts, **_of_images(contact_sheet.digit_rows(), means)}


def _of_images(
    rows: Sequence[contact_sheet.Row], means: Sequence[mean_images.Mean]
) -> dict[str, bytes]:
    return {SHEET: _png(contact_sheet.draw(rows)), MEANS: _png(mean_images.draw(means))}


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, format="PNG")
    return content.getvalue()
