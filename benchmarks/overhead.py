"""`python -m benchmarks.overhead`: what the engine itself costs, a trial and an epoch.

The trials only sleep, so all that passes between their epochs is the engine's: asking, drawing,
configuring, reporting, judging, storing, displaying. They sleep as long as a trial that trains:
a display that is drawn so many times a second is drawn as often as it would be. Default sampler
and pruner, the largest shipped space.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import TextIO

import torch
from rich.console import Console

from benchmarks.idle_trainer import Clock, IdleTrainer
from benchmarks.report import Result, make_parser, publish, verdict
from benchmarks.studies import run_study
from commands.arguments import seconds, whole
from commands.errors import exit_status
from search.displays.display import Display, LineDisplay, LiveDisplay, QuietDisplay
from search.displays.progress import Progress
from search.sampling.samplers import SAMPLERS

DISPLAYS = ("quiet", "lines", "live")
GOAL_SHARE, GOAL_EPOCH_MS = 0.03, 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every display with every number of trials in the journal, and print the costs."""
    options = _parser().parse_args(argv)
    results = [result for n in options.trials_before for result in _measure(n, options)]
    share = max(max(result["share"], result["processor_share"]) for result in results)
    slowest = max(result["epoch_ms"] for result in results)
    publish(
        results,
        device=torch.device("cpu"),
        title=f"the engine's cost, means of {options.trials} trials of {options.epochs} epochs",
        columns={
            "trials before": lambda one: str(one["trials_before"]),
            "display": lambda one: one["display"],
            "ms a trial": lambda one: f"{one['trial_ms']:.1f}",
            "ms an epoch": lambda one: f"{one['epoch_ms']:.2f}",
            f"of {options.trial_s:g} s": lambda one: f"{one['share']:.2%}",
            "CPU ms a trial": lambda one: f"{one['processor_trial_ms']:.1f}",
            "CPU ms an epoch": lambda one: f"{one['processor_epoch_ms']:.2f}",
            f"CPU of {options.trial_s:g} s": lambda one: f"{one['processor_share']:.2%}",
        },
        lines=[
            verdict("share", 100 * share, 100 * GOAL_SHARE, unit=" %"),
            verdict("an epoch", slowest, GOAL_EPOCH_MS, unit=" ms"),
        ],
        path=options.json,
        epochs=options.epochs,
        trial_s=options.trial_s,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("overhead", __doc__)
    add = parser.add_argument
    add("--space", type=Path, default=Path("spaces/everything.py"), metavar="SPACE.py")
    add("--trials-before", type=whole(at_least=0), nargs="+", default=[50, 500], metavar="N")
    add("--trials", type=whole(at_least=2), default=12, metavar="N", help="that are timed")
    add("--epochs", type=whole(at_least=2), default=30, metavar="E")
    add("--displays", nargs="+", choices=DISPLAYS, default=DISPLAYS[1:])
    add("--trial-s", type=seconds, default=10.0, metavar="SECONDS", help="of a whole trial")
    return parser


def _measure(n_before: int, options: argparse.Namespace) -> list[Result]:
    """Return the costs with so many trials in the journal, one result a display."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as stream:
        journal = Path(folder) / "journal.log"
        _continue(journal, options, total=n_before, sampler="random")
        total = n_before
        for name in options.displays:
            total += options.trials
            display = _display(name, total, options.epochs, stream)
            epoch_s = options.trial_s / options.epochs
            clock = _continue(journal, options, total=total, epoch_s=epoch_s, display=display)
            costs = _costs(clock, options)
            results.append({"trials_before": n_before, "display": name, **costs})
    return results


def _continue(
    journal: Path,
    options: argparse.Namespace,
    *,
    total: int,
    epoch_s: float = 0.0,
    sampler: str = SAMPLERS[0],
    display: Display | None = None,
) -> Clock:
    """Continue the study without training anything, and return when its epochs were."""
    trainer = IdleTrainer(options.epochs, epoch_s)
    run_study(trainer, options.space, journal, total=total, sampler=sampler, display=display)
    return trainer.clock


def _display(name: str, total: int, epochs: int, stream: TextIO) -> Display:
    """Return a display that works as on a terminal, which nobody reads."""
    progress = Progress("overhead", total, epochs)
    if name == "live":
        terminal = {"TERM": "xterm-256color"}
        return LiveDisplay(
            progress, Console(file=stream, force_terminal=True, width=120, _environ=terminal)
        )
    return LineDisplay(progress, stream) if name == "lines" else QuietDisplay()


def _costs(clock: Clock, options: argparse.Namespace) -> Result:
    """Return the milliseconds of a trial and of an epoch, and their share of a long trial.

    A trial's own lie between its last epoch and the next trial's first, so a trial of E epochs
    costs its own and E - 1 times an epoch's. What another thread does while a trial trains, such
    as drawing, holds nothing up, but is in the processor's milliseconds.
    """
    results: Result = {}
    for prefix, name in (("", "wall_s"), ("processor_", "processor_s")):
        trial_s = mean(getattr(gap, name) for gap in clock.between_trials())
        epoch_s = mean(getattr(gap, name) for gap in clock.between_epochs())
        cost_s = trial_s + (options.epochs - 1) * epoch_s
        results[f"{prefix}trial_ms"] = 1000 * trial_s
        results[f"{prefix}epoch_ms"] = 1000 * epoch_s
        results[f"{prefix}share"] = cost_s / options.trial_s
    return results


if __name__ == "__main__":
    sys.exit(exit_status(main))
