"""`python -m mame_cnn.explain RUN`: what a network looks at, as pictures."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.device import choose_device
from mame_cnn.explaining.attention import BORDER_AREA
from mame_cnn.explaining.folder import DIFFERENCE, PAGE, Explanation, write_explanation
from mame_cnn.explaining.scene import UNKNOWN
from mame_cnn.explaining.subjects import (
    check_classes,
    open_subjects,
)
from mame_cnn.explaining.task import Task
from mame_cnn.runs.run_folder import check_is_free, numbered, place_run, unfinished_run

EXPLANATION = "explanation"
"""In a run's folder: what its last explanation left."""
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
class Explained:
    """An explanation that is written."""

    folder: Path
    explanation: Explanation
    notes: tuple[str, ...]
    """What a reader must know of it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    explain_runs(
        options.runs,
        data=options.data,
        classes=options.classes,
        images=options.images,
        layers=options.layers,
        heat_layer=options.heat_layer,
        out=options.out,
        device=options.device,
        is_quiet=options.quiet,
    )
    return 0


def explain_runs(
    runs: Sequence[Path],
    *,
    data: str | None = None,
    classes: Sequence[str] = (),
    images: Sequence[str] = (),
    layers: Sequence[str] = (),
    heat_layer: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    is_quiet: bool = False,
) -> Explained:
    """Draw what one network, or two side by side, look at in validation images.

    Raises `UserError` for what a user can mend.

    Args:
        data: a folder or "digits"; None: what the first was trained on.
        classes: those that get a sheet of their own.
        images: look at these instead: names of validation images, or files outside the data.
        layers: whose activations are drawn; none given: one a block.
        heat_layer: whose maps are looked at; None: the last convolution's activation.
        out: where the files go; None: `explanation` in the run's folder.
        is_quiet: print nothing; otherwise what was found.
    """
    if not 1 <= len(runs) <= 2:
        raise UserError(f"expected one run, or two side by side, got {len(runs)}")
    if images and len(classes) > 1:
        raise UserError("--class: with --images, one class is looked into, not several")
    if out is not None:
        check_is_free(out)
    console = Console(quiet=is_quiet, highlight=False, soft_wrap=True)
    subjects = open_subjects(runs, choose_device(device))
    model = subjects[0].model
    task = Task(
        subjects,
        model.config.data.source if data is None else data,
        tuple(check_classes(classes, model.classes)),
        tuple(images),
        tuple(layers),
        heat_layer,
        progress=not is_quiet,
    )
    task.check_layers()
    explained = _written(task, out or _default_place(runs[0]))
    for line in chain(explained.notes, _lines(explained.explanation)):
        console.print(line, markup=False)
    where = explained.folder
    console.print(f"written to {where}, all of it in {where / PAGE}", markup=False)
    return explained


def _written(task: Task, place: Path) -> Explained:
    """Look at all images, and write what is found to a place, or beside what is there."""
    with unfinished_run(place.parent) as unfinished:
        found, notes = task.explanation()
        write_explanation(unfinished, found, _title(task), _facts(task, found), notes)
        again = numbered(place.parent, f"{place.name}-again")
        folder = place_run(unfinished, chain([place], again))
    return Explained(folder, found, tuple(notes))


def _default_place(run: Path) -> Path:
    return run / EXPLANATION if run.is_dir() else run.with_name(f"{run.stem}-{EXPLANATION}")


def _title(task: Task) -> str:
    if len(task.subjects) == 2:
        return "What {} and {} look at".format(*(subject.name for subject in task.subjects))
    path = task.subjects[0].path.absolute()
    return f"What {(path if path.is_dir() else path.parent).name} looks at"


def _facts(task: Task, found: Explanation) -> dict[str, str]:
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
        facts["recognised"] += ", computed in float32"
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
