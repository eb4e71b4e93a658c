"""Sheets of images and where the evidence in them lies."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mame_cnn.data.dataset import Pixels
from mame_cnn.explaining.attention import BORDER_FRACTION, mean_heat
from mame_cnn.explaining.scene import UNKNOWN, Indices, Scene, View
from mame_cnn.pictures.drawing import INK, MUTED, WRONG
from mame_cnn.pictures.sheet import Exhibit, Scale, Section, Sheet, Tile, fine
from mame_cnn.pictures.tints import HEAT, heated, overlaid, plain

TILE_PX, MEAN_TILE_PX = 124, 110
SIDE, MEAN_SIDE = fine(TILE_PX), fine(MEAN_TILE_PX)
N_A_CLASS, N_WRONG = {1: 4, 2: 3}, {1: 12, 2: 6}
"""Images shown of each class, and of a kind of answers, by the number of networks: full rows."""
N_CLASSES, N_CLASSES_A_SHEET = 36, 12
"""Classes shown where there are more; a sheet of more would be too long to read."""
SCALE = Scale(HEAT, "none", "most in an image")
Line = tuple[str, str]


def shown_classes(scene: Scene) -> list[int]:
    """Return the classes with images, in their order; the least recognised where too many."""
    own = [k for k in range(len(scene.classes)) if (scene.labels == k).any()]
    right = scene.first.is_right(scene.labels)
    by_recognition = sorted(own, key=lambda k: float(right[scene.labels == k].mean()))
    return sorted(by_recognition[:N_CLASSES])


def overview(scene: Scene) -> Iterator[Sheet]:
    """Yield sheets of images of every class, and where the evidence for it lies."""
    classes = shown_classes(scene)
    for first in range(0, len(classes), N_CLASSES_A_SHEET):
        sections = [
            _section(
                f"{scene.classes[k]}: {_recognised(scene, k)}",
                scene,
                scene.spread(k, N_A_CLASS[len(scene.views)]),
            )
            for k in classes[first : first + N_CLASSES_A_SHEET]
        ]
        note = "images of a class, evenly from the surest recognised to the least"
        yield Sheet("Evidence for the true class", note, sections, TILE_PX, SCALE)


def mistakes(scene: Scene) -> Sheet | None:
    """Return a sheet of wrong answers, or None if there is none."""
    right = [view.is_right(scene.labels) for view in scene.views]
    if len(scene.views) == 1:
        wrong = ~right[0]
        groups = {f"the surest of {wrong.sum():,} wrong answers": wrong}
        note = "evidence for the answer, and beside it evidence for the true class"
    else:
        one, two = (view.name for view in scene.views)
        groups = {
            f"only {one} is right": right[0] & ~right[1],
            f"only {two} is right": ~right[0] & right[1],
            "both are wrong": ~right[0] & ~right[1],
        }
        groups = {f"{title}: {own.sum():,}, the surest": own for title, own in groups.items()}
        note = "evidence that each network sees for its own answer"
    sections = [
        Section(
            title,
            [_mistake(scene, index) for index in scene.surest(own, N_WRONG[len(scene.views)])],
        )
        for title, own in groups.items()
        if own.any()
    ]
    if not sections:
        return None
    return Sheet("Wrong answers", note, sections, TILE_PX, SCALE)


def one_class(scene: Scene, label: int, layer: str | None) -> Sheet:
    """Return a sheet of what is recognised as a class, missed, and taken for it."""
    name = scene.classes[label]
    is_own, is_said = scene.labels == label, scene.first.explained.answers == label
    sections = []
    by = f" by {scene.first.name}" if scene.first.name else ""
    for title, own in (
        (f"recognised{by}", is_own & is_said),
        (f"missed{by}", is_own & ~is_said),
        (f"taken for it{by}", ~is_own & is_said),
    ):
        if own.any():
            chosen = scene.surest(own, N_WRONG[len(scene.views)])
            title = f"{title}: {own.sum():,}, the surest" if own.sum() > len(chosen) else title
            part = scene.into(chosen, label, layer)
            sections.append(_section(title, part, np.arange(len(chosen)), is_truth_told=True))
    if not sections:
        sections.append(Section("no image of it, and none taken for it", []))
    return Sheet(f"Evidence for {name}", _recognised(scene, label), sections, TILE_PX, SCALE)


def own_images(scene: Scene, label: int | None) -> Sheet:
    """Return a sheet of given images.

    Args:
        label: the class that they were looked into for, or None for what each was.
    """
    exhibits: list[Exhibit] = []
    for index, name in enumerate(scene.names):
        tiles = [
            Tile(plain(scene.first.images[index], SIDE), (_name(name), *_truth(scene, index)))
        ]
        for view in scene.views:
            if label is None:
                tiles.append(_answer(scene, view, index))
            tiles.append(_other(scene, view, index, is_answer_told=label is not None))
        exhibits.append(tuple(tiles))
    title = "Evidence in the given images"
    note = "for the answer, and for the second most probable class"
    if label is not None:
        title, note = f"Evidence for {scene.classes[label]}", "in the given images"
    return Sheet(title, note, [Section("", exhibits)], TILE_PX, SCALE)


def by_class(scene: Scene) -> Sheet:
    """Return the mean heat map of all images of each class, beside their mean image."""
    everything = np.ones(len(scene.labels), dtype=bool)
    groups = [("all classes", everything)]
    groups += [(scene.classes[k], scene.labels == k) for k in shown_classes(scene)]
    means = [
        [mean_heat(view.explained.for_other, own) for _, own in groups] for view in scene.views
    ]
    largest = max(float(np.max(of_view)) for of_view in means)
    exhibits: list[Exhibit] = []
    for number, (name, own) in enumerate(groups):
        tiles = [Tile(_mean_image(scene, own), ((name, INK), (f"{own.sum():,} images", MUTED)))]
        for view, of_view in zip(scene.views, means, strict=True):
            heat = heated(of_view[number], MEAN_SIDE, largest)
            lit = view.on_border[own & ~np.isnan(view.on_border)]
            line = f"{lit.mean():.0%} on the border" if len(lit) else "no evidence"
            lines = ((view.name, INK), (line, MUTED)) if view.name else ((line, INK),)
            tiles.append(Tile(heat, lines, BORDER_FRACTION))
        exhibits.append(tuple(tiles))
    note = "mean image, and mean over its images' heat maps for the true class; dashed: the border"
    sections = [Section("", exhibits)]
    return Sheet(
        "Attention by class", note, sections, MEAN_TILE_PX, Scale(HEAT, "none", "most of all")
    )


def _section(
    title: str, scene: Scene, indices: Indices, *, is_truth_told: bool = False
) -> Section:
    """Return images of a class, each with the evidence that every network sees for it."""
    exhibits: list[Exhibit] = []
    for index in indices:
        lines = _truth(scene, index) if is_truth_told else ()
        tiles = [Tile(plain(scene.first.images[index], SIDE), lines)]
        tiles += [_other(scene, view, index) for view in scene.views]
        exhibits.append(tuple(tiles))
    return Section(title, exhibits)


def _mistake(scene: Scene, index: int) -> Exhibit:
    original = Tile(plain(scene.first.images[index], SIDE), _truth(scene, index))
    answers = [_answer(scene, view, index) for view in scene.views]
    if len(scene.views) == 1:
        return (original, *answers, _other(scene, scene.first, index, is_answer_told=False))
    return (original, *answers)


def _answer(scene: Scene, view: View, index: int) -> Tile:
    """Return the evidence for what a network says."""
    said = int(view.explained.answers[index])
    is_wrong = scene.labels[index] not in (UNKNOWN, said)
    line = f"says {scene.classes[said]}: {view.explained.probs[index, said]:.0%}"
    heat = view.explained.for_answer[index]
    lines = (*_whose(view), (line, WRONG if is_wrong else INK), *_nothing(heat.max()))
    return Tile(overlaid(view.images[index], heat, SIDE), lines)


def _other(scene: Scene, view: View, index: int, *, is_answer_told: bool = True) -> Tile:
    """Return the evidence for the other class that was looked into, and the answer if another."""
    explained = view.explained
    label, said = int(explained.others[index]), int(explained.answers[index])
    heat = explained.for_other[index]
    lines = [*_whose(view), (f"{scene.classes[label]}: {explained.probs[index, label]:.0%}", INK)]
    if is_answer_told and said != label:
        is_wrong = scene.labels[index] not in (UNKNOWN, said)
        line = f"says {scene.classes[said]}: {explained.probs[index, said]:.0%}"
        lines.append((line, WRONG if is_wrong else MUTED))
    return Tile(overlaid(view.images[index], heat, SIDE), (*lines, *_nothing(heat.max())))


def _whose(view: View) -> tuple[Line, ...]:
    return ((view.name, MUTED),) if view.name else ()


def _name(name: str) -> Line:
    return name, INK


def _truth(scene: Scene, index: int) -> tuple[Line, ...]:
    label = scene.labels[index]
    return () if label == UNKNOWN else ((f"is {scene.classes[label]}", INK),)


def _nothing(largest: float) -> Sequence[Line]:
    return () if largest > 0 else (("no evidence", MUTED),)


def _recognised(scene: Scene, label: int) -> str:
    """Return how many images of a class each network recognises."""
    own = scene.labels == label
    counts = [
        f"{view.name} {(view.is_right(scene.labels) & own).sum():,}".strip()
        for view in scene.views
    ]
    return f"{' and '.join(counts)} of {own.sum():,} recognised"


def _mean_image(scene: Scene, own: npt.NDArray[np.bool_]) -> Pixels:
    """Return the mean image of a group as a tile; one image at a time, as there may be many."""
    images, indices = scene.first.images, np.flatnonzero(own)
    total = np.zeros(images.shape[1:], dtype=np.int64)
    for index in indices:
        total += images[index]
    return plain((total // max(1, len(indices))).astype(np.uint8), MEAN_SIDE)
