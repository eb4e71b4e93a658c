"""The summary of any source of images: its lines at once, its pictures when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mame_cnn.data import digits, pictures, summary
from mame_cnn.data.layout import read_listing
from mame_cnn.data.load import checked_image_size
from mame_cnn.data.prepare import CHANNELS
from mame_cnn.data.survey import survey_digits, survey_folder


@dataclass(frozen=True)
class Summary:
    """What a person should know of a data set before training on it."""

    name: str
    lines: tuple[str, ...]
    draw: Callable[[], dict[str, bytes]]
    """Draws the pictures, PNG by file name, which takes a while."""


def summarise(source: str, image_size: int | None = None) -> Summary:
    """Count and check the images of a source.

    Args:
        source: "digits" or a folder.
        image_size: side in pixels that they are to be prepared at.
    """
    size = checked_image_size(source, image_size)
    draw: Callable[[], dict[str, bytes]]
    if source == digits.NAME:
        name, channels = digits.NAME, 1
        contents, survey = summary.digit_contents(), survey_digits()
        draw = partial(pictures.digit_pictures, contents)
    else:
        listing = read_listing(source)
        name, channels = listing.name, CHANNELS
        contents, survey = summary.folder_contents(listing), survey_folder(listing)
        draw = partial(pictures.folder_pictures, listing, contents, survey)
    return Summary(name, tuple(summary.lines(contents, survey, size, channels)), draw)
