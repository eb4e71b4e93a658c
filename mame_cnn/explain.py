"""`python -m mame_cnn.explain RUN`: what a network looks at, as pictures."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.data.dataset import Dataset, Labels
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.explaining.attention import BORDER_AREA
from mame_cnn.explaining.folder import DIFFERENCE, PAGE, Explanation, write_explanation
from mame_cnn.explaining.layers import check_names, last_activations
from mame_cnn.explaining.scene import UNKNOWN, Scene, View
from mame_cnn.explaining.subjects import (
    Asked,
    Subject,
    check_classes,
    given,
    open_subjects,
    validation,
)
from mame_cnn.run_folder import check_is_free, numbered, place_run, unfinished_run

EXPLANATION = "explanation"
"""In a run's folder: what its last explanation left."""
COARSE_PX = 4
"""A layer of fewer pixels a side tells hardly more than that something was somewhere."""
EXAMPLES = """\
examples:
  python -m mame_cnn.explain studies/regularization/runs/best-01
  python -m mame_cnn.explain studies/regularization/runs/best-01 --class portrait
  python -m mame_cnn.explain runs/best-01 runs/best-02 --out before-and-after
  python -m mame_cnn.explain runs/best-01 --images photo.jpg --layers block1.conv1 block2.pool

Layers are called block1.conv1, block1.activation1, block1.pool and so on; a name that does
not exist is answered with those that do.
"""


@dataclass(frozen=True, eq=False)
class _Task:
    """Networks, and how they are looked at."""

    subjects: tuple[Subject, ...]
    source: str
    labels: tuple[int, ...]
    """Classes that were asked for."""
    given: tuple[str, ...]
    """Images that were asked for; the validation images where there are none."""
    layers: tuple[str, ...]
    heat_layer: str | None
    progress: bool

    @classmethod
    def of(cls, options: argparse.Namespace) -> "_Task":
        """Return what is asked for, once all of its names are known to exist."""
        subjects = open_subjects(options.runs, choose_device(options.device))
        heat_layers = [] if options.heat_layer is None else [options.heat_layer]
        for subject in subjects:
            layers, path = subject.explainer.layers, str(subject.path)
            check_names(options.layers, layers, "--layers", path)
            check_names(heat_layers, layers, "--heat-layer", path)
        return cls(
            subjects,
            subjects[0].model.config.data.source if options.data is None else options.data,
            tuple(check_classes(options.classes, subjects[0].model.classes)),
            tuple(options.images),
            tuple(options.layers),
            options.heat_layer,
            progress=not options.quiet,
        )

    def explanation(self) -> tuple[Explanation, list[str]]:
        """Look at all images; return what was found, and what a reader must know of it."""
        notes: list[str] = []
        if self.given:
            asked = given(self.given, self.subjects, self.source, self._load)
        else:
            asked, dataset = validation(self.subjects, self._load)
            notes += _notes_on_data(self.subjects, dataset)
        scene = self._scene(asked)
        notes += _notes_on_layer(self, scene)
        layers = [
            self.layers or tuple(last_activations(subject.explainer.layers))
            for subject in self.subjects
        ]
        is_validation = not self.given
        return Explanation(scene, is_validation, self.labels, self.heat_layer, layers), notes

    def heat_layer_of(self, subject: Subject) -> str:
        """Return the layer whose maps are looked at."""
        return self.heat_layer or subject.explainer.default_layer

    def _scene(self, asked: Asked) -> Scene:
        into: Labels | None = asked.labels
        if self.given:  # the second most probable classes, unless one was asked for
            into = np.full_like(asked.labels, self.labels[0]) if self.labels else None
        views = tuple(
            View(
                subject.name,
                subject.explainer,
                images,
                subject.explainer.explain(images, into, self.heat_layer),
            )
            for subject, images in zip(self.subjects, asked.images, strict=True)
        )
        return Scene(views, asked.labels, asked.names, self.subjects[0].model.classes)

    def _load(self, image_size: int) -> Dataset:
        """Return train and validation images; test images are not opened."""
        return load_dataset(self.source, image_size, progress=self.progress)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    if len(options.runs) > 2:
        raise UserError(f"expected one run, or two side by side, got {len(options.runs)}")
    if options.images and len(options.classes) > 1:
        raise UserError("--class: with --images, one class is looked into, not several")
    if options.out is not None:
        check_is_free(options.out)
    console = Console(quiet=options.quiet, highlight=False, soft_wrap=True)
    task = _Task.of(options)
    place = options.out or _default_place(options.runs[0])
    with unfinished_run(place.parent) as unfinished:
        found, notes = task.explanation()
        write_explanation(unfinished, found, _title(task), _facts(task, found), notes)
        again = numbered(place.parent, f"{place.name}-again")
        folder = place_run(unfinished, chain([place], again))
    for line in chain(notes, _lines(found)):
        console.print(line, markup=False)
    console.print(f"written to {folder}, all of it in {folder / PAGE}", markup=False)
    return 0


def _default_place(run: Path) -> Path:
    return run / EXPLANATION if run.is_dir() else run.with_name(f"{run.stem}-{EXPLANATION}")


def _title(task: _Task) -> str:
    if len(task.subjects) == 2:
        return "What {} and {} look at".format(*(subject.name for subject in task.subjects))
    path = task.subjects[0].path.absolute()
    return f"What {(path if path.is_dir() else path.parent).name} looks at"


def _notes_on_data(subjects: Sequence[Subject], dataset: Dataset) -> Iterator[str]:
    for subject in subjects:
        model = subject.model
        if model.image_size == dataset.image_size and model.data_digest != dataset.digest:
            yield (
                f"note: {subject.path} was trained on data {model.data_digest} "
                f"({model.data_name}); this is data {dataset.digest} ({dataset.name})"
            )
        if model.saw_val:
            yield f"note: {subject.path} was trained on these validation images too"


def _notes_on_layer(task: _Task, scene: Scene) -> Iterator[str]:
    for subject, view in zip(task.subjects, scene.views, strict=True):
        side = view.explained.for_answer.shape[1]
        layer = task.heat_layer_of(subject)
        names = last_activations(subject.explainer.layers)
        if side < COARSE_PX and layer != names[0]:
            finer = names[max(0, names.index(layer) - 1)] if layer in names else names[0]
            yield (
                f"note: {layer} of {subject.path} has {side} x {side} pixels only, so its heat is "
                f"coarse; --heat-layer {finer} is finer"
            )


def _facts(task: _Task, found: Explanation) -> dict[str, str]:
    """Return what a reader must know to find all of it again."""
    facts, scene = {}, found.scene
    for subject, view in zip(task.subjects, scene.views, strict=True):
        model, (height, width) = subject.model, view.explained.for_answer.shape[1:]
        layer = task.heat_layer_of(subject)
        facts[f"network {subject.name}".strip()] = (
            f"{subject.path}, weights {model.weights_digest}, configuration {model.config.digest}"
        )
        facts[f"heat of {subject.name}" if subject.name else "heat"] = (
            f"{layer}: {height} x {width} pixels on images of {model.image_size} x "
            f"{model.image_size}"
        )
    n_known = int((scene.labels != UNKNOWN).sum())
    kind = f"validation images of {task.source}" if found.is_validation else "given images"
    facts["images"] = f"{len(scene.names):,} {kind}"
    if n_known:
        facts["recognised"] = ", ".join(
            f"{view.name} {view.is_right(scene.labels).sum() / n_known:.1%}".strip()
            for view in scene.views
        )
    return facts


def _lines(found: Explanation) -> Iterator[str]:
    """Yield what is shown on the terminal."""
    if not found.is_validation:
        for index, name in enumerate(found.scene.names):
            for view in found.scene.views:
                said = int(view.explained.answers[index])
                prob = view.explained.probs[index, said]
                who = f"{view.name}: " if view.name else ""
                yield f"{name}: {who}{found.scene.classes[said]} {prob:.1%}"
        return
    for name, by_class in found.attention_by_network():
        if name == DIFFERENCE:
            continue
        who = f"{name}: " if name else ""
        everything, *classes = by_class
        yield (
            f"{who}{everything.mean:.0%} of the attention falls on the border, which is "
            f"{BORDER_AREA:.0%} of the area"
        )
        above = [each for each in classes if each.is_on_border]
        for each in sorted(above, key=lambda each: -each.mean)[:5]:
            yield (
                f"  {each.name}: {each.mean:.0%} ({100 * each.low:.0f} to {100 * each.high:.0f}); "
                "is the background what is recognised?"
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.explain",
        description="Draw what one network, or two side by side, look at in validation images.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="a run's folder or a weights file"
    )
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="a sheet for this class as well; may be repeated",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="look at these instead: names of validation images, or files outside the data",
    )
    parser.add_argument("--data", metavar="DIR|digits", help="default: what it was trained on")
    parser.add_argument(
        "--layers",
        nargs="+",
        default=[],
        metavar="LAYER",
        help="whose activations to draw; one a block",
    )
    parser.add_argument(
        "--heat-layer", metavar="LAYER", help="default: the last convolution's activation"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: explanation in the run's folder"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
