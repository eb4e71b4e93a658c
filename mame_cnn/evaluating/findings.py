"""An evaluation: what is evaluated, what came of it, and how that is written and told."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from commands.errors import UserError
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.evaluating.folder import Measured, write_scores, write_views
from mame_cnn.evaluating.ledger import OpenedData, OpenedModel, Opening
from mame_cnn.evaluating.lines import opening_lines, pair_lines, score_lines
from mame_cnn.evaluating.model_card import SplitFigures, model_card
from mame_cnn.models.answers import Answer, networks
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.model import Model


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
    measured: Measured
    openings: tuple[Opening, ...]
    others: tuple[SplitFigures, ...] = ()
    """What the card says of other splits."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation that is written."""

    folder: Path
    findings: Findings

    @property
    def measured(self) -> Measured:
        """The scores."""
        return self.findings.measured


def figures(name: str, measured: Measured, found: Answer) -> SplitFigures:
    """Return what a model card says of a split."""
    return SplitFigures(name, measured.scores, measured.intervals, found.note)


def keep(task: Task, findings: Findings, folder: Path) -> None:
    """Write all files, the scores first."""
    found, split = findings.answer, findings.split
    _write_scores(task, findings, folder)
    told = (*findings.others, figures(findings.name, findings.measured, found))
    card = model_card(task.model, task.run, told, findings.openings)
    (folder / "model_card.md").write_text(card, encoding="utf-8")
    write_views(
        folder,
        found.probs,
        split.labels,
        task.dataset.classes,
        split.images,
        members=found.members,
        museums=split.museums,
    )


@contextmanager
def rescued(task: Task, findings: Findings, folder: Path, *, opens_once: bool) -> Iterator[None]:
    """Keep an evaluation elsewhere if it cannot be finished in its folder.

    For want of room all files are written again. What opens once is kept after any other error,
    and after Ctrl-C: the scores, the probabilities, and what else was there by then.
    """
    try:
        yield
    except OSError as error:
        rescue = Path(tempfile.mkdtemp(prefix="evaluation-"))
        keep(task, findings, rescue)
        raise UserError(
            f"{folder.parent}: {error.strerror}; the evaluation is kept in {rescue}"
        ) from error
    except BaseException:
        if opens_once:
            rescue = Path(tempfile.mkdtemp(prefix="evaluation-"))
            if folder.is_dir():
                shutil.copytree(folder, rescue, dirs_exist_ok=True)
            _write_scores(task, findings, rescue)
            print(f"the evaluation is kept in {rescue}", file=sys.stderr)
        raise


def _write_scores(task: Task, findings: Findings, folder: Path) -> None:
    found, split, dataset = findings.answer, findings.split, task.dataset
    about = {
        "split": findings.name,
        "note": found.note,
        "model": task.opened_model.model_dump(mode="json"),
        "data": {"name": dataset.name, "digest": dataset.digest},
        "test_set": task.test_set.model_dump(mode="json") if task.test_set else None,
        "openings": [opening.model_dump(mode="json") for opening in findings.openings],
    }
    write_scores(
        folder,
        findings.measured,
        found.probs,
        split.labels,
        split.names,
        dataset.classes,
        about=about,
    )


def lines(findings: Findings, task: Task) -> Iterator[str]:
    """Yield what is shown on the terminal."""
    measured = findings.measured
    n_images = measured.scores.n_images
    yield f"{findings.name} of {task.dataset.name}: {n_images:,} images"
    if findings.answer.note:
        yield findings.answer.note
    yield ""
    yield from score_lines(measured)
    for other in findings.others:
        yield f"{other.split} accuracy for comparison: {other.scores.accuracy:.1%}"
        if other.note:
            yield other.note
    yield ""
    probs, labels = findings.answer.probs, findings.split.labels
    yield from pair_lines(probs, labels, task.dataset.classes)
    yield from opening_lines(findings.openings)
