"""`python -m search.compare STUDY [STUDY...]`: which differences between trials are real.

Complete trials count that have kept their validation probabilities. Studies are given in their
order, the earlier phase first: each is held against those before it.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import TrialState
from rich.console import Console

from commands.arguments import whole
from commands.errors import UserError, exit_status, naming
from search.comparing.comparable import Predicted, left_out
from search.comparing.comparison import Comparison, compare
from search.comparing.comparison_text import show, to_csv, to_markdown
from search.files.artifacts import Artifacts, open_artifacts
from search.files.predictions import FILE, read_predictions
from search.place_options import add_artifacts, add_storage
from search.storages.storage import open_storage
from search.studies import pins
from search.studies.loading import load_study

_WRITERS = {".md": to_markdown, ".csv": to_csv}
_PIPED_WIDTH = 160
"""Columns where there is no terminal to fit into."""
_EXAMPLES = """examples:
  python -m search.compare regularization
  python -m search.compare capacity regularization augmentation --out phases.md
  python -m search.compare regularization --storage postgresql://host/studies --out trials.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the trials of one study or several, and print what was found."""
    options = _parser().parse_args(argv)
    _check(options)
    place = open_storage(options.storage, create=False)
    studies = [load_study(place, name) for name in options.studies]
    comparison = compare_studies(studies, open_artifacts(options.artifacts), seed=options.seed)
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(
            markup=False, highlight=False, emoji=False, width=_PIPED_WIDTH, soft_wrap=True
        )
    show(comparison, console)
    if options.out is not None:
        _write(options.out, _WRITERS[options.out.suffix](comparison))
        console.print(f"written: {options.out}")
    return 0


def compare_studies(
    studies: Sequence[Study], artifacts: Artifacts, *, seed: int = 0
) -> Comparison:
    """Compare all trials of studies that can be; raises `UserError` where none can.

    Args:
        studies: the earlier phase first.
        seed: of the bootstrap.
    """
    _check_data(studies)
    trials: list[Predicted] = []
    notes: list[str] = []
    for study in studies:
        own, own_notes = read_predicted(study, artifacts)
        trials += own
        notes += own_notes
    if not trials:
        reasons = "\n  ".join(notes)
        raise UserError(
            f"nothing can be compared:\n  {reasons}\n"
            f"files of trials are looked for in --artifacts {artifacts.folder}"
        )
    return compare(trials, seed=seed, notes=[*notes, *_other_objectives(studies)])


def read_predicted(study: Study, artifacts: Artifacts) -> tuple[list[Predicted], list[str]]:
    """Return a study's complete trials with their predictions, and notes on those without."""
    name = study.study_name
    kept: list[Predicted] = []
    faults: dict[str, list[int]] = defaultdict(list)
    complete = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    for trial in complete:
        assert trial.value is not None, "complete trials have a value"
        content = artifacts.read(trial, FILE)
        if content is None:
            faults[f"no {FILE} is kept"].append(trial.number)
            continue
        try:
            predictions = read_predictions(content)
        except ValueError as error:
            faults[f"{FILE} is damaged ({error})"].append(trial.number)
            continue
        kept.append(Predicted(name, trial.number, trial.value, predictions))
    notes = [left_out(name, reason, numbers) for reason, numbers in faults.items()]
    if not complete:
        notes.append(f"study {name}: no trial is complete yet")
    return kept, notes


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be written or compared before anything is read."""
    twice = sorted({name for name in options.studies if options.studies.count(name) > 1})
    if twice:
        raise UserError(f"study {', '.join(twice)}: given more than once")
    if options.out is None:
        return
    if options.out.suffix not in _WRITERS:
        raise UserError(f"--out {options.out}: the name must end in {' or '.join(_WRITERS)}")
    if options.out.is_dir():
        raise UserError(f"--out {options.out}: is a folder; give a file")


def _check_data(studies: Sequence[Study]) -> None:
    """Refuse studies of different data; those made elsewhere tell by their labels alone."""
    data = {study.study_name: study.user_attrs.get(pins.DATA) for study in studies}
    known = {name: one for name, one in data.items() if isinstance(one, dict)}
    if len({one.get("digest") for one in known.values()}) > 1:
        each = ", ".join(
            f"{study} has {one.get('name')} ({one.get('digest')})" for study, one in known.items()
        )
        raise UserError(f"studies of different data cannot be compared: {each}")


def _other_objectives(studies: Sequence[Study]) -> Iterable[str]:
    """Yield notes on what the studies' trials were trained for differently."""
    objectives: list[dict[str, Any]] = [
        study.user_attrs.get(pins.OBJECTIVE) or {} for study in studies
    ]
    for name in dict.fromkeys(name for objective in objectives for name in objective):
        values = [objective.get(name, "unknown") for objective in objectives]
        if any(value != values[0] for value in values):
            each = ", ".join(
                f"{study.study_name} {value}" for study, value in zip(studies, values, strict=True)
            )
            yield f"the studies differ in {name}: {each}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path):
            unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.compare",
        description="Compare trials on the same validation images: which differences are real, "
        "what the winner's accuracy is worth, whether one study did better than another.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("studies", nargs="+", metavar="STUDY", help="names, the earlier phase first")
    add_storage(parser)
    add_artifacts(parser)
    add("--out", type=Path, metavar="FILE.md|.csv", help="write all trials to a file")
    add("--seed", type=whole(at_least=0), default=0, help="of the bootstrap (default: 0)")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
