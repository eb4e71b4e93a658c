"""`python -m mame_cnn.evaluate RUN`: how good a network or an ensemble is, and where it is not.

The one place in the project that opens test images.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.answers import Answer, answer, networks, val_answer
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.data.load import TestListing, list_test, load_dataset, load_test
from mame_cnn.device import choose_device
from mame_cnn.ensemble_model import Ensemble
from mame_cnn.evaluation_folder import Measured, measure, write_evaluation
from mame_cnn.evaluation_lines import opening_lines, pair_lines, score_lines
from mame_cnn.model import Model
from mame_cnn.model_card import SplitFigures, model_card
from mame_cnn.opening import open_model
from mame_cnn.precision import choose_precision
from mame_cnn.run_folder import check_is_free, numbered, place_run, unfinished_run
from mame_cnn.scores import scores
from mame_cnn.test_ledger import (
    DEFAULT_LEDGER,
    OpenedData,
    OpenedModel,
    Opening,
    Score,
    earlier_openings,
    permission,
    read_openings,
    test_digest,
)

EVALUATION = "evaluation"
"""In a run's folder: what its last validation left."""
EXAMPLES = """\
examples:
  python -m mame_cnn.evaluate studies/regularization/runs/best-01
  python -m mame_cnn.evaluate studies/regularization/ensemble --out report
  python -m mame_cnn.evaluate studies/regularization/ensemble --test

The test set is opened once. A second opening for the same data is refused, unless
--again says why; the ledger keeps every opening and every later report repeats it.
"""


@dataclass(frozen=True)
class Task:
    """What is evaluated, and on what."""

    run: Path
    model: Model | Ensemble
    dataset: Dataset
    test_set: OpenedData | None
    """None where the data have no test split."""
    ledger: Path
    device: torch.device
    precision: torch.dtype

    @property
    def opened_model(self) -> OpenedModel:
        """The model as the ledger names it."""
        own = networks(self.model)
        return OpenedModel(
            kind="model" if isinstance(self.model, Model) else "ensemble",
            path=str(self.run),
            config_digests=tuple(one.config.digest for one in own),
            weights_digests=tuple(one.weights_digest for one in own),
        )


@dataclass(frozen=True)
class Findings:
    """What a model said of one split, and all openings of the test set up to now."""

    name: str
    """`validation` or `test`."""
    split: Split
    answer: Answer
    openings: tuple[Opening, ...]
    others: tuple[SplitFigures, ...] = ()
    """What the card says of other splits."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    reason = _reason(options)
    if options.out is not None:
        check_is_free(options.out)
    console = Console(quiet=options.quiet, highlight=False, soft_wrap=True)
    task = _task(options, reason, console)
    place = options.out or _default_place(options)
    with unfinished_run(place.parent) as unfinished:
        if options.test:
            findings = _open_test(task, reason, progress=not options.quiet)
        else:
            findings = _validate(task)
        measured = _keep(task, findings, unfinished)
        again = numbered(place.parent, f"{place.name}-again")
        folder = place_run(unfinished, chain([place], again))
    for line in _lines(findings, measured, task):
        console.print(line, markup=False)
    console.print(f"written to {folder}", markup=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.evaluate",
        description="Evaluate a run or an ensemble on validation images, or once on the test set.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a run's folder, a weights file or an ensemble"
    )
    parser.add_argument("--data", metavar="DIR|digits", help="default: what it was trained on")
    parser.add_argument("--test", action="store_true", help="open the test set")
    parser.add_argument(
        "--again", metavar="REASON", help="why the test set is opened once more; kept for ever"
    )
    parser.add_argument(
        "--ledger",
        type=Path,
        default=DEFAULT_LEDGER,
        metavar="FILE",
        help=f"where openings of test sets are kept (default: {DEFAULT_LEDGER})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="default: evaluation or evaluation-test in the run's folder",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--precision", default="auto", help="auto, float32 or bfloat16")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser


def _reason(options: argparse.Namespace) -> str | None:
    """Return the reason for another opening on one line, or None; refuse half of a request."""
    if options.again is None:
        return None
    if not options.test:
        raise UserError("--again: says why the test set is opened once more; give --test as well")
    reason = " ".join(options.again.split())
    if not reason:
        raise UserError("--again: the reason is empty")
    return reason


def _default_place(options: argparse.Namespace) -> Path:
    run: Path = options.run
    name = f"{EVALUATION}-test" if options.test else EVALUATION
    return run / name if run.is_dir() else run.with_name(f"{run.stem}-{name}")


def _task(options: argparse.Namespace, reason: str | None, console: Console) -> Task:
    """Return what is asked for, with train and validation images; test is only listed."""
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    model = open_model(options.run)
    source = networks(model)[0].config.data.source if options.data is None else options.data
    listed = list_test(source)
    if listed.classes != model.classes:
        raise UserError(
            f"--data {source}: has the classes {', '.join(listed.classes)}; "
            f"{options.run} was trained on {', '.join(model.classes)}"
        )
    if options.test and not listed.names:
        raise UserError(f"--data {source}: has no test split; nothing was opened")
    test_set = _test_set(listed) if listed.names else None
    if options.test and test_set:
        earlier_openings(options.ledger, test_set, reason)  # before images are prepared
    dataset = load_dataset(source, model.image_size, progress=not options.quiet)
    if dataset.channels != model.channels:
        raise UserError(
            f"--data {source}: has images of {dataset.channels} channels; "
            f"{options.run} takes {model.channels}"
        )
    if dataset.digest != model.data_digest:
        console.print(
            f"note: {options.run} was trained on data {model.data_digest} ({model.data_name}); "
            f"this is data {dataset.digest} ({dataset.name})",
            markup=False,
        )
    return Task(options.run, model, dataset, test_set, options.ledger, device, precision)


def _test_set(listed: TestListing) -> OpenedData:
    digest = test_digest(listed.names, listed.labels, listed.classes)
    return OpenedData(name=listed.data_name, digest=digest)


def _validate(task: Task) -> Findings:
    """Ask for the validation images; former openings of the test set are read, none is made."""
    openings = read_openings(task.ledger, task.test_set.digest) if task.test_set else ()
    return Findings("validation", task.dataset.val, _val_answer(task), openings)


def _open_test(task: Task, reason: str | None, progress: bool) -> Findings:
    """Open the test set, if the ledger permits it; nothing is told before it is on record."""
    assert task.test_set, "there is no test split"
    with permission(task.ledger, task.test_set, reason) as allowed:
        validation = _val_answer(task)
        measured = measure(validation.probs, task.dataset.val.labels)
        test = load_test(task.dataset.source, task.model.image_size, progress=progress)
        said = answer(task.model, test, task.device, task.precision)
        found = scores(said.probs, test.labels)
        score = Score(accuracy=found.accuracy, n_images=found.n_images)
        opening = allowed.record(task.opened_model, score)
    others = (_figures("validation", measured, validation),)
    return Findings("test", test, said, (*allowed.earlier, opening), others)


def _val_answer(task: Task) -> Answer:
    return val_answer(task.run, task.model, task.dataset, task.device, task.precision)


def _figures(name: str, measured: Measured, found: Answer) -> SplitFigures:
    return SplitFigures(name, measured.scores, measured.intervals, found.note)


def _keep(task: Task, findings: Findings, folder: Path) -> Measured:
    """Write all files; what the disk has no room for is kept elsewhere, as test opens once."""
    try:
        return _write(task, findings, folder)
    except OSError as error:
        rescue = Path(tempfile.mkdtemp(prefix="evaluation-"))
        _write(task, findings, rescue)
        raise UserError(
            f"{folder.parent}: {error.strerror}; the evaluation is kept in {rescue}"
        ) from error


def _write(task: Task, findings: Findings, folder: Path) -> Measured:
    found, split, dataset = findings.answer, findings.split, task.dataset
    about = {
        "split": findings.name,
        "note": found.note,
        "model": task.opened_model.model_dump(mode="json"),
        "data": {"name": dataset.name, "digest": dataset.digest},
        "test_set": task.test_set.model_dump(mode="json") if task.test_set else None,
        "openings": [opening.model_dump(mode="json") for opening in findings.openings],
    }
    measured = write_evaluation(
        folder,
        found.probs,
        split.labels,
        split.names,
        dataset.classes,
        split.images,
        members=found.members,
        museums=split.museums,
        about=about,
    )
    figures = (*findings.others, _figures(findings.name, measured, found))
    card = model_card(task.model, task.run, figures, findings.openings)
    (folder / "model_card.md").write_text(card, encoding="utf-8")
    return measured


def _lines(findings: Findings, measured: Measured, task: Task) -> Iterator[str]:
    """Yield what is shown on the terminal."""
    n_images = measured.scores.n_images
    yield f"{findings.name} of {task.dataset.name}: {n_images:,} images"
    if findings.answer.note:
        yield findings.answer.note
    for other in findings.others:
        yield f"validation accuracy {other.scores.accuracy:.1%}. {other.note}".strip()
    yield ""
    yield from score_lines(measured)
    yield ""
    probs, labels = findings.answer.probs, findings.split.labels
    yield from pair_lines(probs, labels, task.dataset.classes)
    yield from opening_lines(findings.openings)


if __name__ == "__main__":
    sys.exit(exit_status(main))
