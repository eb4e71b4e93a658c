"""`python -m mame_cnn.evaluate RUN`: how good a network or an ensemble is, and where it is not.

The one place in the project that shows anyone test images: `mame_cnn.data` only checks files.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.data.load import TestListing, list_test, load_dataset, load_test
from mame_cnn.device import choose_device
from mame_cnn.evaluating.findings import Evaluated, Findings, Task, figures, keep, lines, rescued
from mame_cnn.evaluating.folder import measure
from mame_cnn.evaluating.ledger import (
    DEFAULT_LEDGER,
    OpenedData,
    Score,
    earlier_openings,
    permission,
    read_openings,
    test_digest,
)
from mame_cnn.models.answers import Answer, answer, networks, val_answer
from mame_cnn.models.opening import open_model
from mame_cnn.precision import choose_precision
from mame_cnn.runs.run_folder import check_is_free, numbered, place_run, unfinished_run

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    asked = _Asked(
        run=options.run,
        data=options.data,
        test=options.test,
        reason=_reason(options.again, options.test),
        ledger=options.ledger,
        out=options.out,
        device=options.device,
        precision=options.precision,
        is_quiet=options.quiet,
    )
    asked.evaluated()
    return 0


def evaluate_run(
    run: Path,
    *,
    data: str | None = None,
    ledger: Path = DEFAULT_LEDGER,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    is_quiet: bool = False,
) -> Evaluated:
    """Evaluate a run, a weights file or an ensemble on validation images.

    Raises `UserError` for what a user can mend.

    Args:
        data: a folder or "digits"; None: what it was trained on.
        ledger: whose openings of the test set are repeated in the model card.
        out: where the files go; None: `evaluation` in the run's folder.
        is_quiet: print nothing; otherwise the figures.
    """
    return _Asked(run, data, False, None, ledger, out, device, precision, is_quiet).evaluated()


def open_test_set(
    run: Path,
    *,
    again: str | None = None,
    data: str | None = None,
    ledger: Path = DEFAULT_LEDGER,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    is_quiet: bool = False,
) -> Evaluated:
    """Evaluate a run, a weights file or an ensemble on the test set, which is opened once.

    Raises `UserError` for what a user can mend, and for a test set that was opened before.

    Args:
        again: why the test set is opened once more; kept for ever.
        data: a folder or "digits"; None: what it was trained on.
        ledger: where the opening is put on record before anything is shown.
        out: where the files go; None: `evaluation-test` in the run's folder.
        is_quiet: print nothing; otherwise the figures.
    """
    reason = _reason(again, is_test=True)
    return _Asked(run, data, True, reason, ledger, out, device, precision, is_quiet).evaluated()


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


def _reason(again: str | None, is_test: bool) -> str | None:
    """Return the reason for another opening on one line, or None; refuse half of a request."""
    if again is None:
        return None
    if not is_test:
        raise UserError("--again: says why the test set is opened once more; give --test as well")
    reason = " ".join(again.split())
    if not reason:
        raise UserError("--again: the reason is empty")
    return reason


def _default_place(run: Path, test: bool) -> Path:
    name = f"{EVALUATION}-test" if test else EVALUATION
    return run / name if run.is_dir() else run.with_name(f"{run.stem}-{name}")


@dataclass(frozen=True)
class _Asked:
    """What is asked for, before anything of it is known to exist."""

    run: Path
    data: str | None
    test: bool
    reason: str | None
    ledger: Path
    out: Path | None
    device: str
    precision: str
    is_quiet: bool

    def evaluated(self) -> Evaluated:
        """Evaluate, write all files, and print the figures."""
        if self.out is not None:
            check_is_free(self.out)
        console = Console(quiet=self.is_quiet, highlight=False, soft_wrap=True)
        task = self._task(console)
        place = self.out or _default_place(self.run, self.test)
        with unfinished_run(place.parent) as unfinished:
            if self.test:
                findings = _open_test(task, self.reason, progress=not self.is_quiet)
            else:
                findings = _validate(task)
            with rescued(task, findings, unfinished, opens_once=self.test):
                try:  # told before anything that may fail, and kept even where telling fails
                    for line in lines(findings, task):
                        console.print(line, markup=False)
                finally:
                    keep(task, findings, unfinished)
                    again = numbered(place.parent, f"{place.name}-again")
                    folder = place_run(unfinished, chain([place], again))
        console.print(f"written to {folder}", markup=False)
        return Evaluated(folder, findings)

    def _task(self, console: Console) -> Task:
        """Return the task, with train and validation images; test is only listed."""
        device = choose_device(self.device)
        precision = choose_precision(self.precision, device)
        model = open_model(self.run)
        source = networks(model)[0].config.data.source if self.data is None else self.data
        listed = list_test(source)
        if listed.classes != model.classes:
            raise UserError(
                f"--data {source}: has the classes {', '.join(listed.classes)}; "
                f"{self.run} was trained on {', '.join(model.classes)}"
            )
        if self.test and not listed.names:
            raise UserError(f"--data {source}: has no test split; nothing was opened")
        test_set = _test_set(listed) if listed.names else None
        if self.test and test_set:
            earlier_openings(self.ledger, test_set, self.reason)  # before images are prepared
        dataset = load_dataset(source, model.image_size, progress=not self.is_quiet)
        if dataset.channels != model.channels:
            raise UserError(
                f"--data {source}: has images of {dataset.channels} channels; "
                f"{self.run} takes {model.channels}"
            )
        if dataset.digest != model.data_digest:
            console.print(
                f"note: {self.run} was trained on data {model.data_digest} ({model.data_name}); "
                f"this is data {dataset.digest} ({dataset.name})",
                markup=False,
            )
        return Task(self.run, model, dataset, test_set, self.ledger, device, precision)


def _test_set(listed: TestListing) -> OpenedData:
    digest = test_digest(listed.names, listed.labels, listed.classes)
    return OpenedData(name=listed.data_name, digest=digest)


def _validate(task: Task) -> Findings:
    """Ask for the validation images; former openings of the test set are read, none is made."""
    openings = read_openings(task.ledger, task.test_set.digest) if task.test_set else ()
    split, said = task.dataset.val, _val_answer(task)
    measured = measure(said.probs, split.labels, said.members)
    return Findings("validation", split, said, measured, openings)


def _open_test(task: Task, reason: str | None, progress: bool) -> Findings:
    """Open the test set, if the ledger permits it; nothing is told before it is on record."""
    assert task.test_set, "there is no test split"
    with permission(task.ledger, task.test_set, reason) as allowed:
        validation = _val_answer(task)
        of_val = measure(validation.probs, task.dataset.val.labels)
        test = load_test(task.dataset.source, task.model.image_size, progress=progress)
        said = answer(task.model, test, task.device, task.precision)
        measured = measure(said.probs, test.labels, said.members)
        score = Score(accuracy=measured.scores.accuracy, n_images=measured.scores.n_images)
        opening = allowed.record(task.opened_model, score)
    others = (figures("validation", of_val, validation),)
    return Findings("test", test, said, measured, (*allowed.earlier, opening), others)


def _val_answer(task: Task) -> Answer:
    return val_answer(task.run, task.model, task.dataset, task.device, task.precision)


if __name__ == "__main__":
    sys.exit(exit_status(main))
