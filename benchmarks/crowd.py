"""`python -m benchmarks.crowd`: what becomes of a study that many processes begin at once?

On a fresh storage, with the dashboard open and looked at all the while. Told are the processes
that died, trials too many or too few, numbers given twice, trials that were ended twice or never,
values that are not the ones their parameters must have, and the dashboard's faults. PostgreSQL is
a server of this command's own, from the installed programs.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import torch
from optuna.trial import FrozenTrial, TrialState

from benchmarks.crowd_processes import STUDY
from benchmarks.looking import Looks, looking
from benchmarks.postgres import find_programs, serving
from benchmarks.report import Result, make_parser, measured, publish
from commands.arguments import whole
from commands.errors import UserError, exit_status
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import is_counted
from tests.search.fake_trainer import FakeTrainer

STORAGES = ("journal", "postgresql", "sqlite")
_ENDS = (TrialState.COMPLETE, TrialState.PRUNED)


def main(argv: Sequence[str] | None = None) -> int:
    """Let a crowd loose on each storage, several rounds; 1 if anything was lost."""
    options = _parser().parse_args(argv)
    results = [
        {"storage": storage, "round": number, **_measure(storage, options)}
        for storage in options.storages
        for number in range(options.rounds)
    ]
    publish(
        results,
        device=torch.device("cpu"),
        title=f"{options.processes} processes, {options.trials} trials of {options.epochs} epochs",
        columns={
            "storage": lambda one: one["storage"],
            "seconds": lambda one: f"{one['wall_s']:.1f}",
            "trials": lambda one: str(one["n_counted"]),
            "most by one process": lambda one: str(one["most_by_one"]),
            "the dashboard's answers": lambda one: str(one["n_looks"]),
            "median ms": lambda one: f"{1000 * one['look_s']:.0f}",
            "slowest ms": lambda one: f"{1000 * one['slowest_look_s']:.0f}",
            "faults": lambda one: str(len(one["faults"])),
        },
        lines=[f"{one['storage']}: {fault}" for one in results for fault in one["faults"]],
        path=options.json,
    )
    return 1 if any(one["faults"] for one in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("crowd", __doc__)
    add = parser.add_argument
    positive = whole(at_least=1)
    add("--storages", nargs="+", choices=STORAGES, default=STORAGES[:2])
    add("--processes", type=positive, default=16, metavar="P")
    add("--trials", type=positive, default=64, metavar="N", help="in total")
    add("--epochs", type=positive, default=8, metavar="E")
    add("--rounds", type=positive, default=3, metavar="R")
    return parser


def _measure(storage: str, options: argparse.Namespace) -> Result:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return crowd(
            _fresh(storage, folder, stack),
            folder,
            n_processes=options.processes,
            n_trials=options.trials,
            n_epochs=options.epochs,
        )


def _fresh(storage: str, folder: Path, stack: ExitStack) -> str:
    """Return the address of a fresh storage, which goes with the stack."""
    if storage == "journal":
        return str(folder / "journal.log")
    if storage == "sqlite":
        return f"sqlite:///{folder}/studies.db"
    programs = find_programs()
    if programs is None:
        raise UserError("--storages postgresql: the server's programs are not installed")
    return stack.enter_context(serving(programs)).fresh_database()


def crowd(storage: str, folder: Path, *, n_processes: int, n_trials: int, n_epochs: int) -> Result:
    """Let so many processes begin a study at once, and return how it went.

    Args:
        storage: a path or address that is fresh.
        folder: where files of trials go.
    """
    sizes = ["--processes", n_processes, "--trials", n_trials, "--epochs", n_epochs]
    with looking(storage, folder / "artifacts") as looks:
        told = measured("benchmarks.crowd_processes", storage, *sizes, "--folder", folder)
    with closing(open_storage(storage, create=False)) as place:
        trials = load_study(place, STUDY).get_trials(deepcopy=False)
    faults = [
        *(f"a process died: {status}" for status in told["exit_statuses"] if status),
        *_faults(trials, [number for one in told["ended"] for number in one], n_trials, n_epochs),
        *(f"the dashboard: {fault}" for fault in looks.faults),
        *_unseen(looks, trials),
    ]
    return {
        "wall_s": told["wall_s"],
        "n_counted": sum(map(is_counted, trials)),
        "most_by_one": max(map(len, told["ended"]), default=0),
        "n_looks": len(looks.answers_s),
        "look_s": median(looks.answers_s or [0.0]),
        "slowest_look_s": max(looks.answers_s, default=0.0),
        "faults": faults,
    }


def _faults(
    trials: Sequence[FrozenTrial], ended: Sequence[int], total: int, n_epochs: int
) -> Iterator[str]:
    """Yield what is wrong with a study whose processes say that they have ended these trials."""
    numbers = [trial.number for trial in trials]
    if numbers != list(range(total)):
        yield f"the trials are {numbers}, not 0 to {total - 1}"
    if sum(map(is_counted, trials)) != total:
        yield f"{sum(map(is_counted, trials))} trials count, not {total}"
    twice = {number: n for number, n in Counter(ended).items() if n > 1}
    if twice:
        yield f"trials that were ended more than once, and how often: {twice}"
    if missing := set(numbers) - set(ended):
        yield f"trials that nobody has ended: {sorted(missing)}"
    curve = FakeTrainer().curve
    for trial in trials:
        reported = {epoch: curve(trial.params, epoch) for epoch in trial.intermediate_values}
        if trial.state not in _ENDS or trial.intermediate_values != reported:
            yield f"trial {trial.number}: {trial.state.name}, {trial.intermediate_values}"
        elif trial.state == TrialState.COMPLETE and (
            len(reported) != n_epochs or trial.value != max(reported.values())
        ):
            yield f"trial {trial.number}: its value is {trial.value} after {len(reported)} epochs"


def _unseen(looks: Looks, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    if not looks.faults and looks.n_seen != len(trials):
        yield f"the dashboard: it showed {looks.n_seen} of {len(trials)} trials"


if __name__ == "__main__":
    sys.exit(exit_status(main))
