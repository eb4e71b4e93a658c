"""The part of a report on the data: how many images of what, and how they look."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.report import markup
from search.report.figures_of_data import images_by_class
from search.report.page import Figures
from search.report.subject import Subject

SHEETS = {
    "contact_sheet.jpg": "Training images of each class, as networks are shown them before "
    "augmentation; of very many classes, the first.",
    "mean_images.jpg": "What a class looks like where it always looks alike: a grey smear tells "
    "that it cannot be told by where things are.",
}
"""Artifacts of the study by name, with captions, in the order in which they are shown."""


def data(subject: Subject, figures: Figures) -> str:
    """Return the part as HTML; nothing where nothing is known of the data."""
    counts, html = subject.counts, ""
    if counts:
        html += markup.tiles(_tiles(counts))
        figure = figures.place(images_by_class(subject.classes, counts), is_wide=len(counts) > 2)
        html += f'<div class="narrow">{figure}</div>'
    for name, caption in SHEETS.items():
        if name in subject.sheets:
            html += markup.picture(subject.sheets[name], "image/jpeg", caption)
    return html


def class_names(pinned: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes from what a study says of its data; none if it does not."""
    names = pinned.get("classes")
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def class_counts(pinned: Mapping[str, Any], n_classes: int) -> dict[str, list[int]]:
    """Return the images of each class by split; nothing where the study does not say."""
    counts = pinned.get("counts")
    if not isinstance(counts, Mapping) or n_classes == 0:
        return {}
    return {
        str(split): [int(n) for n in found]
        for split, found in counts.items()
        if isinstance(found, list | tuple)
        and len(found) == n_classes
        and all(isinstance(n, int) for n in found)
    }


def _tiles(counts: Mapping[str, Sequence[int]]) -> dict[str, str]:
    tiles = {f"{split} images": f"{sum(found):,}" for split, found in counts.items()}
    first, found = next(iter(counts.items()))
    tiles["classes"] = f"{len(found):,}"
    tiles[f"{first} images of the smallest and the largest class"] = (
        f"{min(found):,} and {max(found):,}"
    )
    return tiles
