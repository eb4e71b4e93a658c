"""What a person should know of a data set before training on it, as lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from commands.counting import counted
from mame_cnn.data import digits
from mame_cnn.data.balance import MEASURES, imbalance
from mame_cnn.data.listing import SPLITS, Listing, some
from mame_cnn.data.survey import Survey

N_SIZES_SHOWN = 3
N_MISSING_SHOWN = 3


@dataclass(frozen=True)
class Contents:
    """What a source lists: its classes, and for each split the images of each class."""

    title: str
    classes: tuple[str, ...]
    counts: Mapping[str, Sequence[int]]
    remark: str = ""
    notes: tuple[str, ...] = ()

    @property
    def n_images(self) -> int:
        """The number of images over all splits."""
        return sum(sum(counts) for counts in self.counts.values())


def folder_contents(listing: Listing) -> Contents:
    """Return what a folder lists."""
    counts = {split: listing.counts(split) for split in SPLITS}
    title = f"{listing.name}: {listing.layout} in {listing.folder}"
    return Contents(title, listing.classes, counts, listing.remark, listing.notes)


def digit_contents() -> Contents:
    """Return what the embedded digits list."""
    labels = digits.original()[1]
    indices = digits.split_indices(labels)
    classes = tuple(str(digit) for digit in range(10))
    counts = {
        split: [int((labels[indices[split]] == label).sum()) for label in range(10)]
        for split in SPLITS
    }
    title = "digits: scikit-learn's handwritten digits, embedded"
    return Contents(
        title, classes, counts, "they are enlarged to the image size when loaded", (digits.NOTE,)
    )


def lines(contents: Contents, survey: Survey, image_size: int, channels: int) -> Iterator[str]:
    """Yield the summary, line by line."""
    yield contents.title
    n_classes = counted(len(contents.classes), "class", "classes")
    yield f"{counted(contents.n_images, 'image')}, {n_classes}"
    yield from contents.notes
    yield ""
    yield from _table(contents)
    yield ""
    yield from (_balance(split, contents) for split in SPLITS if sum(contents.counts[split]))
    if uneven := imbalance(contents.classes, contents.counts["train"]):
        yield uneven
        yield f"  a configuration can make up for it: {MEASURES}"
    yield _sizes(survey)
    if contents.remark:
        yield f"  {contents.remark}"
    yield from _missing(contents, survey)
    yield from _unreadable(survey)
    yield from _duplicates(survey)
    n_prepared = sum(contents.counts["train"]) + sum(contents.counts["val"])
    mib = n_prepared * image_size**2 * channels / 2**20
    yield f"prepared at {image_size} x {image_size}: {mib:,.1f} MiB for train and val"


def _table(contents: Contents) -> Iterator[str]:
    width = max(len(name) for name in (*contents.classes, "class"))
    yield f"{'class':<{width}}" + "".join(f"{split:>9}" for split in SPLITS)
    for label, name in enumerate(contents.classes):
        cells = (contents.counts[split][label] for split in SPLITS)
        yield f"{name:<{width}}" + "".join(f"{count:>9,}" for count in cells)
    totals = (sum(contents.counts[split]) for split in SPLITS)
    yield f"{'total':<{width}}" + "".join(f"{count:>9,}" for count in totals)


def _balance(split: str, contents: Contents) -> str:
    counts = contents.counts[split]
    least, most = min(counts), max(counts)
    if least == most:
        return f"balance of {split}: {counted(most, 'image')} in every class"
    share = most / sum(counts)
    return f"balance of {split}: {least:,} to {most:,} a class; the largest holds {share:.1%}"


def _sizes(survey: Survey) -> str:
    if not survey.sizes:
        return "sizes: no readable image"
    common = [f"{w} x {h} ({n:,})" for (w, h), n in survey.sizes.most_common(N_SIZES_SHOWN)]
    if len(survey.sizes) > N_SIZES_SHOWN:
        widths, heights = zip(*survey.sizes, strict=True)
        common.append(
            f"{counted(len(survey.sizes) - N_SIZES_SHOWN, 'other size')}; in all "
            f"{min(widths)} to {max(widths)} by {min(heights)} to {max(heights)}"
        )
    n_readable = counted(survey.sizes.total(), "readable image")
    return f"sizes of {n_readable}: {', '.join(common)}"


def _missing(contents: Contents, survey: Survey) -> Iterator[str]:
    if not survey.missing:
        yield "missing: none"
        return
    tally = ((s, sum(split == s for split, _ in survey.missing)) for s in SPLITS)
    by_split = ", ".join(f"{split} {count:,}" for split, count in tally)
    first = [name for _, name in survey.missing[:N_MISSING_SHOWN]]
    more = ["..."] if survey.missing[N_MISSING_SHOWN:] else []
    shown = ", ".join([*first, *more])
    yield f"missing: {len(survey.missing):,} of {contents.n_images:,} ({by_split}): {shown}"


def _unreadable(survey: Survey) -> Iterator[str]:
    yield f"unreadable: {len(survey.unreadable):,}" if survey.unreadable else "unreadable: none"
    yield from some(f"{s} {name}: {fault}" for (s, name), fault in survey.unreadable.items())


def _duplicates(survey: Survey) -> Iterator[str]:
    across = survey.copies_across()
    often = counted(len(across), "time") if across else "never"
    yield f"the same file in more than one split: {often}"
    yield from some(_group(group) for group in across)
    yield f"images that repeat another of their split: {survey.n_copies_within():,}"


def _group(images: Sequence[tuple[str, str]]) -> str:
    """Write equal images, the first of each split."""
    first = dict(reversed(images))
    others = f" (and {len(images) - len(first):,} more)" if len(images) > len(first) else ""
    return " = ".join(f"{split} {first[split]}" for split in SPLITS if split in first) + others
