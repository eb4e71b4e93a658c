"""Exporting trials as configurations: frozen, complete, and saying where they come from.

The best trials are the complete ones of the highest value; of equal values the earlier one
stands first, which is the trial that Optuna and its dashboard call the best. Of trials with
equal parameters the best is taken, so that the top five are five configurations. Which of them
err on different images, for --diverse, is told by `search.comparing.diverse`.
"""

import argparse
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from textwrap import fill
from typing import Any

import tomli_w
from optuna.study import Study
from optuna.trial import FrozenTrial

from commands.arguments import whole
from commands.errors import UserError, exit_status, naming
from commands.strangers import check_tree
from search.comparing.diverse import RULE, diverse_trials
from search.files.artifacts import open_artifacts
from search.place_options import add_artifacts, add_storage
from search.storages.storage import Place, open_storage
from search.studies import pins
from search.studies.loading import load_study
from search.studies.sound import study_folder
from search.trials.reading import (
    BEST_EPOCH,
    CONFIG,
    ENVIRONMENT,
    SEED,
    best_value,
    point,
    ranked,
    tally,
)

_EXAMPLES = """examples:
  python -m search.export regularization
  python -m search.export regularization --trial 12
  python -m search.export regularization --top 5 --out members/
  python -m search.export regularization --top 5 --diverse
  python -m search.export regularization --storage postgresql://host/studies
"""
_SIGNATURE = "# Written by search.export: "


def main(argv: Sequence[str] | None = None) -> int:
    """Export trials of a study as TOML files that train again."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.diverse and arguments.top is None:
        parser.error("--diverse says which trials --top K are, and needs it")
    place = open_storage(arguments.storage, create=False)
    study = load_study(place, arguments.study)
    out = None if arguments.out is None else Path(arguments.out)
    if arguments.top is not None:
        trials = different_trials(study)
        if arguments.diverse:
            artifacts = open_artifacts(arguments.artifacts)
            trials = diverse_trials(trials, arguments.top, artifacts, print)
        paths = export_top(place, study, trials[: arguments.top], out)
        if len(paths) < arguments.top:
            print(f"{len(paths)} different complete trials, not {arguments.top}: all are exported")
    else:
        paths = [export_one(place, study, arguments.trial, out)]
    attrs = (trial.user_attrs for trial in study.get_trials(deepcopy=False))
    config: Mapping[str, Any] = next((own[CONFIG] for own in attrs if CONFIG in own), {})
    for path in paths:
        print(f"{path}\n  {train_command(path, config)}")
    if arguments.top is not None and paths and "classifier" not in config:
        together = shlex.quote(str(paths[0].parent))
        print(f"all of them as an ensemble:\n  python -m mame_cnn.ensemble {together}")
    return 0


def default_path(place: Place, study_name: str) -> Path:
    """Return the path that the best trial's configuration gets."""
    return study_folder(place, study_name) / "best.toml"


def train_command(path: Path, config: Mapping[str, Any]) -> str:
    """Return the command that trains an exported configuration; it names its own data.

    Args:
        config: that one, or another of its study.
    """
    command = "features" if "classifier" in config else "train"
    return f"python -m mame_cnn.{command} {shlex.quote(str(path))}"


def export_one(place: Place, study: Study, number: int | None, out: Path | None = None) -> Path:
    """Write the configuration of one trial, the best if no number is given."""
    trial = _best(study) if number is None else _numbered(study, number)
    file = "best.toml" if number is None else f"trial-{number}.toml"
    path = out or study_folder(place, study.study_name) / file
    if path.is_dir():
        raise UserError(f"--out {path}: is a folder; give a file, such as {path / 'best.toml'}")
    _write(path, study, trial)
    return path


def different_trials(study: Study) -> list[FrozenTrial]:
    """Return the complete trials, best first, of equal parameters the best alone."""
    _best(study)  # there is one, or it is said how the study stands
    unique: dict[Any, FrozenTrial] = {}
    for trial in ranked(study.get_trials(deepcopy=False)):
        unique.setdefault(point(trial.params), trial)
    return list(unique.values())


def export_top(
    place: Place, study: Study, trials: Sequence[FrozenTrial], out: Path | None = None
) -> list[Path]:
    """Write the configurations of these trials, in this order, as 01.toml, 02.toml, ..."""
    folder = out or study_folder(place, study.study_name) / "top"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder}: is a file; --top writes a folder")
    for trial in trials:
        _config(study, trial)  # a trial that cannot be exported shows before anything is written
    paths = [folder / f"{rank:02}.toml" for rank in range(1, len(trials) + 1)]
    for path, trial in zip(paths, trials, strict=True):
        _write(path, study, trial)
    for stale in set(folder.glob("*.toml")) - set(paths):
        if stale.stem.isdigit() and _is_ours(stale):
            stale.unlink()
    return paths


def _is_ours(path: Path) -> bool:
    """Tell whether we have written a file, by as much of it as tells."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE.encode()


def _best(study: Study) -> FrozenTrial:
    trials = study.get_trials(deepcopy=False)
    best = ranked(trials)
    if best:
        return best[0]
    standing = tally(trials)
    raise UserError(
        f"study {study.study_name}: no trial is complete yet ({standing.n_pruned} pruned, "
        f"{standing.n_failed} failed, {standing.n_running} running); --trial N takes any trial"
    )


def _numbered(study: Study, number: int) -> FrozenTrial:
    trials = study.get_trials(deepcopy=False)
    if number < len(trials):
        return trials[number]
    there = f"its trials are 0 to {len(trials) - 1}" if trials else "it has no trials yet"
    raise UserError(f"study {study.study_name}: has no trial {number}; {there}")


def _config(study: Study, trial: FrozenTrial) -> Mapping[str, Any]:
    config: Mapping[str, Any] | None = trial.user_attrs.get(CONFIG)
    if config is None:
        raise UserError(
            f"study {study.study_name}: trial {trial.number} ({trial.state.name.lower()}) has no "
            "configuration; it was not begun by search.run"
        )
    return config


def _write(path: Path, study: Study, trial: FrozenTrial) -> None:
    config = _config(study, trial)
    value = best_value(trial)
    epoch = trial.user_attrs.get(BEST_EPOCH)
    reached = "no value" if value is None else f"{_metric(study)} {value:.4f} at epoch {epoch}"
    header = (
        f"{_SIGNATURE}{_comment(f'{study.study_name}, trial {trial.number}, {reached}.')}\n"
        f"# Train it with: {_comment(train_command(path, config))}\n\n"
    )
    document = {**config, "provenance": _provenance(study, trial)}
    try:
        check_tree(document)
        text = tomli_w.dumps(document)
        text.encode()
    except (TypeError, ValueError) as error:
        raise UserError(
            f"study {study.study_name}: the configuration of trial {trial.number} is damaged: "
            f"{error}"
        ) from None
    _write_atomically(path, header + text)


def _comment(text: str) -> str:
    """Return text that stays in its comment: a name from a stranger's storage may end lines."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _provenance(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    attrs = study.user_attrs
    data = attrs.get(pins.DATA, {})
    known = {
        "study": study.study_name,
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "metric": _metric(study),
        "value": best_value(trial),
        "best_epoch": trial.user_attrs.get(BEST_EPOCH),
        "n_trials": tally(study.get_trials(deepcopy=False)).n_ended,
        "seed": trial.user_attrs.get(SEED),
        "space_digest": attrs.get(pins.SPACE_DIGEST),
        "data_name": data.get("name"),
        "data_source": data.get("source"),
        "data_digest": data.get("digest"),
        "exported_with": {"python": platform.python_version(), "optuna": version("optuna")},
        "environment": trial.user_attrs.get(ENVIRONMENT),
    }
    return {name: value for name, value in known.items() if value is not None}


def _metric(study: Study) -> str:
    return (study.metric_names or ["value"])[0]


def _write_atomically(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"--out {path}: {path.parent} is a file, not a folder") from error
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path):
            unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.export",
        description="Write trials of a study as complete configurations, ready to be trained.",
        epilog=fill(f"--diverse: {RULE}", 88) + f"\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", metavar="STUDY", help="the study's name")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--trial", type=whole(at_least=0), metavar="N", help="this trial, whatever became of it"
    )
    which.add_argument(
        "--top", type=whole(at_least=1), metavar="K", help="the K best trials, a folder"
    )
    parser.add_argument(
        "--diverse",
        action="store_true",
        help="with --top: about equally good trials that err on different images, see below",
    )
    add_artifacts(parser, "for --diverse: search.run's --artifacts")
    add_storage(parser)
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="the file, or with --top the folder, to write "
        "(default: STUDY/best.toml, STUDY/trial-N.toml or STUDY/top/ beside the journal; of a "
        "database, in studies/)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
