"""What is really there: each image's size, content hash, or what is wrong with it.

Every present file is read and decoded as coarsely as its format allows, which finds
truncated files at a fraction of the cost of full decoding; nothing is written.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mame_cnn.data import digits
from mame_cnn.data.images import UnreadableImageError, inspect_image
from mame_cnn.data.listing import SPLITS, Item, Listing
from mame_cnn.data.progress import bar, in_threads

Image = tuple[str, str]  # split, name


@dataclass(frozen=True)
class Survey:
    """The findings over all splits.

    Args:
        sizes: how many readable files have a width and height.
        sizes_by_class: the same for each class number.
        missing: the images that have no file.
        unreadable: the images that cannot be decoded, and why.
        copies: groups of images whose files are the same byte for byte.
    """

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    sizes_by_class: dict[int, Counter[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    missing: list[Image] = field(default_factory=list)
    unreadable: dict[Image, str] = field(default_factory=dict)
    copies: list[list[Image]] = field(default_factory=list)

    def copies_across(self) -> list[list[Image]]:
        """Return the groups of equal images that lie in more than one split."""
        return [group for group in self.copies if len({split for split, _ in group}) > 1]

    def n_copies_within(self) -> int:
        """Return how many images repeat another of their own split."""
        return sum(len(group) - len({split for split, _ in group}) for group in self.copies)


@dataclass(frozen=True)
class Finding:
    """What one file turned out to be: absent, unreadable (a fault), or an image."""

    content: str | None = None
    size: tuple[int, int] = (0, 0)
    fault: str = ""


def survey_folder(listing: Listing, progress: bool = True) -> Survey:
    """Return what is there of the images that a folder lists."""
    survey = Survey()
    by_content: dict[str, list[Image]] = defaultdict(list)
    items = [(split, item) for split in SPLITS for item in listing.splits[split]]
    with bar(progress) as display:
        task = display.add_task("reading", total=len(items))
        found = in_threads(_inspect, [item for _, item in items])
        for (split, item), finding in zip(items, found, strict=True):
            display.advance(task)
            image = (split, item.name)
            if finding.content is None:
                survey.missing.append(image)
            elif finding.fault:
                survey.unreadable[image] = finding.fault
            else:
                survey.sizes[finding.size] += 1
                survey.sizes_by_class[item.label][finding.size] += 1
                by_content[finding.content].append(image)
    survey.copies.extend(_groups(by_content))
    return survey


def survey_digits() -> Survey:
    """Return what is there of the embedded digits."""
    values, labels = digits.original()
    by_content: dict[str, list[Image]] = defaultdict(list)
    for split, indices in digits.split_indices(labels).items():
        for i in indices.tolist():
            by_content[values[i].tobytes().hex()].append((split, digits.name_of(i)))
    return Survey(Counter({(8, 8): len(values)}), copies=_groups(by_content))


def _inspect(item: Item) -> Finding:
    try:
        if not item.path.exists():
            return Finding()
        size = inspect_image(item.path)  # first, since it refuses what would block for ever
        with item.path.open("rb") as file:
            return Finding(hashlib.file_digest(file, "sha256").hexdigest(), size)
    except UnreadableImageError as error:
        return Finding("unreadable", fault=str(error))
    except OSError as error:
        return Finding("unreadable", fault=(error.strerror or str(error)).lower())


def _groups(by_content: Mapping[str, Iterable[Image]]) -> list[list[Image]]:
    groups = [list(images) for images in by_content.values()]
    return [group for group in groups if len(group) > 1]
