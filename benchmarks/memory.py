"""`python -m benchmarks.memory`: does a study grow, and do workers share the images?

A study runs in a process of its own, which notes its resident memory after each trial; then the
trial that took most runs alone. Then several processes train an epoch each on the same
memory-mapped images, and the kernel tells whose pages those are. Runs on a CPU, on Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

from benchmarks.proc import mapped_kib, status_kib
from benchmarks.report import Result, make_parser, measured, publish, verdict
from benchmarks.studies import STUDY, run_study
from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.data.load import load_dataset
from mame_cnn.inputs.device_data import to_device
from mame_cnn.precision import choose_precision
from mame_cnn.trials.trainer import ImageTrainer
from search.displays.display import QuietDisplay, Standing
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trainer import Member
from search.trials.reading import CONFIG

EARLY = 5
"""The trial that later ones are compared with: by then one of most sizes has been seen."""
GOAL_GROWTH = 1.10
_NETWORK = {"depth": 1, "width": 1, "pool_size": 4, "dense_depth": 0, "batch_size": 32}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, or one measurement of it in a process of its own."""
    options = _parser().parse_args(argv)
    if not Path("/proc/self/smaps").exists():
        raise UserError("benchmarks.memory: reads /proc/self/smaps, which this system has not")
    if options.measure == "worker":
        _work(options)
        return 0
    if options.measure is not None:
        print(json.dumps(_study(options) if options.measure == "study" else _alone(options)))
        return 0
    again = _arguments(options)
    study = measured("benchmarks.memory", *again, "--measure", "study")
    alone_mib = measured(
        "benchmarks.memory", *again, "--measure", "alone", "--config", json.dumps(study["config"])
    )
    shared = _shared(options)
    trials = study["trials"]
    growths = growth(trials, alone_mib)
    publish(
        [trials[min(EARLY, len(trials)) - 1], trials[-1]],
        device=torch.device("cpu"),
        title=f"a study of {options.space} on {options.data}",
        columns={
            "after trial": lambda one: str(one["trial"]),
            "peak MiB": lambda one: f"{one['peak_mib']:,.0f}",
            "resident MiB": lambda one: f"{one['resident_mib']:,.0f}",
        },
        lines=[*(verdict(*one, GOAL_GROWTH, unit="x") for one in growths.items()), _say(shared)],
        path=options.json,
        growth=growths,
        alone_mib=alone_mib,
        trials=trials,
        workers=shared,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("memory", __doc__)
    add = parser.add_argument
    add("--data", default="digits", metavar="DIR|digits")
    add("--image-size", type=whole(at_least=1), metavar="PX")
    add("--space", type=Path, default=Path("spaces/regularization.py"), metavar="SPACE.py")
    add("--trials", type=whole(at_least=2), default=50, metavar="N")
    add("--epochs", type=whole(at_least=1), default=5, metavar="E")
    add("--workers", type=whole(at_least=1), default=2, metavar="W", help="that share images")
    add("--measure", choices=("study", "alone", "worker"), help=argparse.SUPPRESS)
    add("--config", help=argparse.SUPPRESS)
    return parser


def _arguments(options: argparse.Namespace) -> list[str]:
    """Return the options again, for a process of its own."""
    size = [] if options.image_size is None else ["--image-size", str(options.image_size)]
    return [
        *("--data", options.data, *size, "--space", str(options.space)),
        *("--trials", str(options.trials), "--epochs", str(options.epochs)),
    ]


def _study(options: argparse.Namespace) -> Result:
    """Run a study; return the memory of this process after each trial, and the hungriest one."""
    trainer, display = _trainer(options), MemoryDisplay()
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.log"
        run_study(trainer, options.space, journal, total=options.trials, display=display)
        study = load_study(open_storage(str(journal)), STUDY)
        number = hungriest(display.trials)["number"]
        config = study.get_trials(deepcopy=False)[number].user_attrs[CONFIG]
    return {"trials": display.trials, "config": config}


def hungriest(trials: Sequence[Result]) -> Result:
    """Return the trial at which the peak reached what it was at the end."""
    return next(one for one in trials if one["peak_mib"] == trials[-1]["peak_mib"])


def growth(trials: Sequence[Result], alone_mib: float) -> dict[str, float]:
    """Return how many times the memory of an early trial the study took, said in words.

    A space of networks of all sizes takes more whenever a larger one is drawn. What does not
    depend on that is how much more it took than its hungriest trial in a process of its own.
    """
    peak_mib = trials[-1]["peak_mib"]
    early = trials[min(EARLY, len(trials)) - 1]
    return {
        f"peak after {len(trials)} trials to that after {early['trial']}": (
            peak_mib / early["peak_mib"]
        ),
        "peak to that of the hungriest trial alone": peak_mib / alone_mib,
    }


def _alone(options: argparse.Namespace) -> float:
    """Train one configuration and return the peak of this process in MiB."""
    config = Config.model_validate_json(options.config)
    device = torch.device("cpu")
    dataset = load_dataset(options.data, options.image_size, progress=False)
    data = to_device(dataset, device, precision=choose_precision("auto", device))
    cohort = Cohort([config], [0], data)
    for _ in range(options.epochs):
        cohort.train_epoch()
    return status_kib(Path("/proc/self/status").read_text(), "VmHWM") / 1024


class MemoryDisplay(QuietDisplay):
    """Shows nothing, and notes the memory of this process whenever a trial has ended."""

    def __init__(self) -> None:
        self.trials: list[Result] = []

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Note the memory."""
        status = Path("/proc/self/status").read_text()
        self.trials.append(
            {
                "trial": len(self.trials) + 1,
                "number": number,
                "how": how,
                "peak_mib": status_kib(status, "VmHWM") / 1024,
                "resident_mib": status_kib(status, "VmRSS") / 1024,
            }
        )


def _shared(options: argparse.Namespace) -> list[dict[str, int]]:
    """Return for each of several workers at once what it has of the images, in KiB."""
    with _workers(options) as workers:
        folders = [json.loads(_line(worker.stdout)) for worker in workers]
        return [
            mapped_kib(Path(f"/proc/{worker.pid}/smaps").read_text(), Path(folder))
            for worker, folder in zip(workers, folders, strict=True)
            if folder is not None
        ]


@contextmanager
def _workers(options: argparse.Namespace) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start the workers, which wait once they have trained, and let them end."""
    command = [sys.executable, "-m", "benchmarks.memory", *_arguments(options)]
    workers = [
        subprocess.Popen(
            [*command, "--measure", "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(options.workers)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.communicate()


def _line(stream: IO[str] | None) -> str:
    line = "" if stream is None else stream.readline()
    if not line:
        raise UserError("benchmarks.memory: a worker ended early; its message is above")
    return line


def _work(options: argparse.Namespace) -> None:
    """Train an epoch, say in which folder the mapped images lie, and wait to be let go."""
    dataset = load_dataset(options.data, options.image_size, progress=False)
    trainer = ImageTrainer(dataset, epochs=1, data_seed=0, device=torch.device("cpu"))
    trainer.open([Member(0, _NETWORK, seed=0)]).train_epoch()
    path = getattr(dataset.train.images, "filename", None)
    print(json.dumps(None if path is None else str(Path(path).parent)), flush=True)
    sys.stdin.read()


def _say(shared: Sequence[dict[str, int]]) -> str:
    """Say how much of the mapped images is one worker's alone."""
    if not shared:
        return "images: not mapped (the embedded digits), so each worker has its own"
    rss, pss = (sum(one[name] for one in shared) / 1024 for name in ("Rss", "Pss"))
    return (
        f"images mapped by {len(shared)} workers: {rss:,.0f} MiB as each counts them, "
        f"{pss:,.0f} MiB of the machine's memory ({rss / pss:.2f} to 1)"
    )


def _trainer(options: argparse.Namespace) -> ImageTrainer:
    device = torch.device("cpu")
    return ImageTrainer(
        load_dataset(options.data, options.image_size, progress=False),
        epochs=options.epochs,
        data_seed=0,
        device=device,
        precision=choose_precision("auto", device),
    )


if __name__ == "__main__":
    sys.exit(exit_status(main))
