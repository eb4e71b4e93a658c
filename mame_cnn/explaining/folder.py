"""What an explanation leaves behind, in one folder.

explanation.html       all of it on one page that needs nothing else
heat-maps-1.png ...    images of every class, and where the evidence for it lies
heat-maps-wrong.png    wrong answers: evidence for the answer and for the true class
heat-maps-given.png    images that were asked for, in place of the two above
class-CLASS.png        of a class that was asked for: recognised, missed, taken for it
attention.png, .csv    mean heat map of each class, and its share that falls on the border
images.csv             every image's answers and share on the border
activations-1.png ...  what layers see in an image
filters.png            the kernels of the first convolution
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from commands.errors import naming
from mame_cnn.explaining import heat_sheets, layer_sheets
from mame_cnn.explaining.attention import (
    BORDER_AREA,
    BORDER_FRACTION,
    Attention,
    attention,
)
from mame_cnn.explaining.page import html_table, write_page
from mame_cnn.explaining.scene import UNKNOWN, Scene
from mame_cnn.pictures.drawing import INK
from mame_cnn.pictures.gallery import file_names
from mame_cnn.pictures.sheet import Sheet, write_sheet

PAGE, DIFFERENCE = "explanation.html", "difference"
N_IMAGES_LOOKED_INTO = 3
"""Whose activations are drawn."""
READING = (
    "Heat is where the maps of one layer speak for a class (Grad-CAM, Selvaraju et al. 2017), "
    "each map to its own greatest, so that the strength of two images does not compare. It is as "
    "coarse as the layer, and it tells where evidence was found, not what it was."
)


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that was found, and what was asked for."""

    scene: Scene
    is_validation: bool
    """All validation images, rather than given ones."""
    labels: Sequence[int]
    """Classes that were asked for."""
    heat_layer: str | None
    layers: Sequence[Sequence[str]]
    """Whose activations are drawn, for each network."""

    def attention_by_network(self) -> list[tuple[str, tuple[Attention, ...]]]:
        """Return attention on the border by the network's name, and the difference of two."""
        scene = self.scene
        values = [(view.name, view.on_border) for view in scene.views]
        found = [(name, attention(shares, scene.labels, scene.classes)) for name, shares in values]
        if len(values) == 2:
            gain = values[1][1] - values[0][1]
            found.append((DIFFERENCE, attention(gain, scene.labels, scene.classes, lowest=-1)))
        return found


def write_explanation(
    folder: Path, found: Explanation, title: str, facts: dict[str, str], notes: Sequence[str]
) -> None:
    """Write all files into a folder that exists."""
    sheets: dict[Path, tuple[str, str]] = {}
    with naming(folder):
        for name, sheet, text in _sheets(found):
            write_sheet(folder / name, sheet)
            sheets[folder / name] = sheet.title, text
        _images(found.scene).to_csv(folder / "images.csv", index=False, float_format="%.6g")
        table = ""
        if found.is_validation:
            networks = found.attention_by_network()
            _table(networks).to_csv(folder / "attention.csv", index=False, float_format="%.6g")
            table = _border_html(networks)
        write_page(folder / PAGE, title, facts, [*notes], table + f"<p>{READING}</p>", sheets)


def _sheets(found: Explanation) -> Iterator[tuple[str, Sheet, str]]:
    """Yield every sheet with its file's name and how to read it."""
    scene = found.scene
    if found.is_validation:
        text = "The mean over all validation images of a class, all on one scale of colours."
        yield "attention.png", heat_sheets.by_class(scene), text
        for number, sheet in enumerate(heat_sheets.overview(scene), start=1):
            text = "Validation images of each class, and the probability of that class."
            yield f"heat-maps-{number}.png", sheet, text
        wrong = heat_sheets.mistakes(scene)
        if wrong:
            yield (
                "heat-maps-wrong.png",
                wrong,
                "Where the evidence lay in images that were not recognised.",
            )
        for label in found.labels:
            name = file_names(scene.classes)[label].replace("gallery-", "class-", 1)
            text = "What is recognised as this class, what is missed, and what is taken for it."
            yield name, heat_sheets.one_class(scene, label, found.heat_layer), text
    else:
        into = found.labels[0] if found.labels else None
        yield "heat-maps-given.png", heat_sheets.own_images(scene, into), "As asked for."
    number = 0
    for index in _looked_into(found):
        for view, layers in zip(scene.views, found.layers, strict=True):
            number += 1
            own = scene.labels[index]
            lines = () if own == UNKNOWN else ((f"is {scene.classes[own]}", INK),)
            name, image = scene.names[index], view.images[index]
            sheet = layer_sheets.activations(view, image, name, lines, list(layers))
            text = "One row a layer, from the input to the output."
            yield f"activations-{number}.png", sheet, text
    text = "A filter answers most strongly where the image looks like it."
    yield "filters.png", layer_sheets.filters(scene.views), text


def _looked_into(found: Explanation) -> list[int]:
    """Return images for the activations: of the asked classes, of the first ones, or the given."""
    scene = found.scene
    if not found.is_validation:
        return list(range(min(N_IMAGES_LOOKED_INTO, len(scene.names))))
    labels = found.labels or heat_sheets.shown_classes(scene)
    surest = [scene.spread(label, 1) for label in labels[:N_IMAGES_LOOKED_INTO]]
    return [int(indices[0]) for indices in surest if len(indices)]


def _images(scene: Scene) -> pd.DataFrame:
    """Return a row an image, and for each network what it says and where it sees that."""
    known = [scene.classes[label] if label != UNKNOWN else "" for label in scene.labels]
    table = pd.DataFrame({"image": list(scene.names), "label": known})
    for view in scene.views:
        end, explained = f" ({view.name})" if view.name else "", view.explained
        rows = np.arange(len(scene.names))
        table[f"answer{end}"] = [scene.classes[k] for k in explained.answers]
        table[f"probability{end}"] = explained.probs.max(1)
        table[f"looked into{end}"] = [scene.classes[k] for k in explained.others]
        table[f"its probability{end}"] = explained.probs[rows, explained.others]
        table[f"border share{end}"] = view.on_border
    return table


def _table(networks: Sequence[tuple[str, Sequence[Attention]]]) -> pd.DataFrame:
    table = pd.DataFrame({"class": [each.name for each in networks[0][1]]})
    for name, found in networks:
        head = f"{name} " if name else ""
        for column, field in (("images", "n_images"), ("border share", "mean")):
            table[f"{head}{column}"] = [getattr(each, field) for each in found]
        for field in ("low", "high"):
            table[f"{head}{field}"] = [getattr(each, field) for each in found]
    return table


def _border_html(networks: Sequence[tuple[str, Sequence[Attention]]]) -> str:
    heads = ["class", "images"]
    for name, _ in networks:
        heads += [f"{name}: on the border" if name else "on the border", "95 % interval"]
    rows, marked = [], []
    for number, own in enumerate(networks[0][1]):
        row = [own.name, f"{own.n_images:,}"]
        for name, found in networks:
            is_signed = name == DIFFERENCE
            row += [_percent(found[number].mean, is_signed), _interval(found[number], is_signed)]
        rows.append(row)
        marked.append(
            any(found[number].is_on_border for name, found in networks if name != DIFFERENCE)
        )
    return (
        "<h2>Attention on the border</h2>"
        f"<p>The share of each heat map for the true class that lies within {BORDER_FRACTION:.1%} "
        f"of the side from the edge, which is {BORDER_AREA:.0%} of the area. Red: surely more "
        "than that, so that the background may be what is recognised.</p>"
        + html_table(heads, rows, marked)
    )


def _percent(share: float, is_signed: bool) -> str:
    if np.isnan(share):
        return "-"
    return f"{100 * share:+.0f} points" if is_signed else f"{share:.0%}"


def _interval(found: Attention, is_signed: bool) -> str:
    if np.isnan(found.low):
        return "-"
    low, high = 100 * found.low, 100 * found.high
    return f"{low:+.0f} to {high:+.0f}" if is_signed else f"{low:.0f} to {high:.0f} %"
