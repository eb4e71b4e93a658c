"""`python -m benchmarks.workers`: W processes with a share of the threads, or one with them all?

The same study, run by `search.run` with each number of workers in turn, in rounds. Drawn at
random and never pruned, so its trials are the same whoever trains them. Starting up is told
apart from training: it costs the same in a short study and in a long one.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from optuna.trial import FrozenTrial

from benchmarks.report import Result, make_parser, publish, run, verdict
from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import is_counted, point

STUDY = "workers"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study with each number of workers, several rounds, and compare the times."""
    options = _parser().parse_args(argv)
    device = choose_device(options.device)
    load_dataset(options.data, options.image_size)  # prepared before anything is timed
    rounds: list[Result] = []
    for number in range(options.rounds):
        # Every other round backwards, so that none is always the one after the pause.
        for n_workers in options.workers[:: -1 if number % 2 else 1]:
            rounds.append({"round": number, **_measure(options, n_workers)})
            timed = {name: value for name, value in rounds[-1].items() if name != "work"}
            print(timed, file=sys.stderr, flush=True)
    if len({one["work"] for one in rounds}) > 1:
        raise UserError("benchmarks.workers: the studies trained different trials: no comparison")
    results = compare(rounds, options.workers)
    publish(
        results,
        device=device,
        title=f"{options.trials} trials of {options.space} on {options.data}, seconds, medians",
        columns={
            "workers": lambda one: str(one["workers"]),
            "starting": lambda one: f"{one['start_s']:.1f}",
            "training": lambda one: f"{one['training_s']:.1f}",
            "in all": lambda one: f"{one['wall_s']:.1f}",
            "training, to the first": lambda one: f"{one['training_ratio']:.2f}x",
            "in all, to the first": lambda one: f"{one['wall_ratio']:.2f}x",
        },
        lines=[
            verdict(
                f"{one['workers']} workers to {results[0]['workers']}",
                one["training_ratio"],
                1.0,
                unit="x",
                is_most=False,
            )
            for one in results[1:]
        ],
        path=options.json,
        rounds=rounds,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("workers", __doc__)
    add = parser.add_argument
    positive = whole(at_least=1)
    add("--data", required=True, metavar="DIR|digits")
    add("--image-size", type=positive, default=64, metavar="PX")
    add("--space", type=Path, default=Path("spaces/regularization.py"), metavar="SPACE.py")
    add("--trials", type=positive, default=12, metavar="N")
    add("--epochs", type=positive, default=4, metavar="E")
    add("--workers", type=positive, nargs="+", default=[1, 2], metavar="W")
    add("--cohort", default="1", metavar="auto|T")
    add("--device", default="auto")
    add("--rounds", type=positive, default=3, metavar="R")
    return parser


def _measure(options: argparse.Namespace, n_workers: int) -> Result:
    """Run the study once and return its times in seconds, and a digest of what it trained."""
    with tempfile.TemporaryDirectory() as folder:
        journal = str(Path(folder) / "journal.log")
        began, began_s = datetime.now(), time.perf_counter()
        run("search.run", *_arguments(options, n_workers, journal))
        wall_s = time.perf_counter() - began_s
        study = load_study(open_storage(journal, create=False), STUDY)
        trials = [trial for trial in study.get_trials(deepcopy=False) if is_counted(trial)]
    return {"workers": n_workers, "wall_s": wall_s, **spans(trials, began), "work": work(trials)}


def _arguments(options: argparse.Namespace, n_workers: int, journal: str) -> list[str]:
    return [
        *(str(options.space), "--data", options.data, "--image-size", str(options.image_size)),
        *("--trials", str(options.trials), "--epochs", str(options.epochs)),
        *("--workers", str(n_workers), "--cohort", options.cohort, "--device", options.device),
        *("--sampler", "random", "--pruner", "none", "--study", STUDY),
        *("--storage", journal, "--artifacts", str(Path(journal).parent / "artifacts")),
        "--quiet",
    ]


def spans(trials: Sequence[FrozenTrial], began: datetime) -> dict[str, float]:
    """Return the seconds until the first trial began, and from there to the last one's end."""
    first = min(trial.datetime_start for trial in trials if trial.datetime_start)
    last = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    return {
        "start_s": (first - began).total_seconds(),
        "training_s": (last - first).total_seconds(),
    }


def work(trials: Sequence[FrozenTrial]) -> str:
    """Return text that is equal for studies that trained the same configurations as long."""
    return repr(sorted((point(t.params), len(t.intermediate_values)) for t in trials))


def compare(rounds: Sequence[Result], workers: Sequence[int]) -> list[Result]:
    """Return medians over the rounds for each number of workers, and how much faster it is."""
    names = ("start_s", "training_s", "wall_s")
    medians = {
        n_workers: {
            name: median(one[name] for one in rounds if one["workers"] == n_workers)
            for name in names
        }
        for n_workers in workers
    }
    first = medians[workers[0]]
    return [
        {
            "workers": n_workers,
            **own,
            "training_ratio": first["training_s"] / own["training_s"],
            "wall_ratio": first["wall_s"] / own["wall_s"],
        }
        for n_workers, own in medians.items()
    ]


if __name__ == "__main__":
    sys.exit(exit_status(main))
