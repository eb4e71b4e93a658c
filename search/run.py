"""`python -m search.run SPACE.py`: search a space, the command that joins the two halves.

This is the composition root, the only file of this package that imports `mame_cnn`: it makes
a trainer of networks and hands it to the engine, which knows no networks. With several workers
it starts itself again, once for each.
"""

import argparse
import math
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from optuna.study import Study
from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import find_source, load_dataset
from mame_cnn.device import choose_device
from mame_cnn.parameters import space_faults
from mame_cnn.precision import choose_precision
from mame_cnn.trainer import ImageTrainer
from search.artifacts import Artifacts, open_artifacts
from search.display import Display, make_display
from search.drawing import check_trainable
from search.engine import search
from search.events import EventDisplay, stop_with_parent
from search.options import DEFAULT_TRIALS, check_engine, make_parser
from search.outcome import Outcome
from search.patience import Patience
from search.pruners import Pruner, make_pruner
from search.ray_cluster import Cluster, reached
from search.ray_engine import run_on_ray
from search.samplers import SAMPLERS, Sampler, make_sampler
from search.secrets import by_environment
from search.shares import Share, n_usable_cores, shares
from search.space import Choice, Parameter, Space, Value
from search.space_file import load_space
from search.stopping import Stop, request
from search.storage import open_storage
from search.study import OpenStudy, check_name, open_study
from search.summary import summarise
from search.worker import Command
from search.workers import run_workers

MAX_VALUES = 1000
"""Values of a range that are all checked beforehand; of more, the ends are."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = make_parser().parse_args(given)
    given = by_environment(given, options.storage)
    if options.as_worker:
        return _work(options)
    check_engine(options)
    if options.engine == "ray":
        say = Console(quiet=options.quiet, highlight=False, markup=False).print
        with reached(options.address, say) as cluster:
            return _search_on(cluster, given, options)
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    workers = shares(
        options.workers,
        str(device),
        n_gpus=torch.cuda.device_count(),
        n_cores=n_usable_cores(),
    )
    is_alone = len(workers) == 1
    # Where others train, this process leaves the GPUs to them.
    job = _prepare(options, device if is_alone else torch.device("cpu"), precision)
    opened = job.opened
    display = make_display(opened.name, job.n_expected, job.trainer.epochs, is_quiet=options.quiet)
    asked = request(opened.study)
    if is_alone:
        outcome = job.run(display, options.timeout, asked)
    else:
        commands = _commands(given, workers, options.timeout, asked)
        outcome = run_workers(opened, commands, options.trials, display, options.hang_limit)
    summarise(outcome, opened.name, opened.place, options.artifacts)
    return outcome.exit_status


def _search_on(cluster: Cluster, given: Sequence[str], options: argparse.Namespace) -> int:
    """Search on the nodes of a cluster; this process shows it, and trains nothing."""
    need = cluster.need(options.device, options.gpus_per_worker, options.cpus_per_worker)
    cpu = torch.device("cpu")
    # Whether a node's device computes in bfloat16 is its worker's to find out.
    precision = "auto" if options.precision == "bfloat16" else options.precision
    job = _prepare(options, cpu, choose_precision(precision, cpu))
    opened = job.opened
    display = make_display(opened.name, job.n_expected, job.trainer.epochs, is_quiet=options.quiet)
    asked = request(opened.study)
    outcome = run_on_ray(
        opened,
        cluster,
        # From when it starts: no two machines have one monotonic clock.
        lambda left_s: _arguments(given, need.device, need.cpus, f"+{left_s}", asked),
        need,
        options.workers or (cluster.room(need) if need.gpus else 1),
        options.trials,
        display,
        timeout_s=options.timeout,
        hang_limit_s=options.hang_limit,
    )
    summarise(outcome, opened.name, opened.place, options.artifacts)
    return outcome.exit_status


@dataclass(frozen=True)
class _Job:
    """A search that is ready: all is checked, the data is there, the study is pinned."""

    options: argparse.Namespace
    opened: OpenStudy
    trainer: ImageTrainer
    sampler: Sampler
    pruner: Pruner
    n_expected: int
    """Trials that the study will have."""

    def run(self, display: Display, timeout_s: float | None, asked: str | None) -> Outcome:
        """Search in this process.

        Args:
            asked: the request to stop that was there before the search began.
        """
        study = self.opened.study
        return search(
            self.opened,
            self.trainer,
            total=self.options.trials,
            sampler=self.sampler,
            pruner=self.pruner,
            seed=self.options.seed,
            display=display,
            stop=Stop(study, timeout_s=timeout_s, say=display.said, request=asked),
            cohort=_cohort_size(self.options.cohort, self.trainer.device),
            artifacts=Artifacts(self.options.artifacts, unreadable=display.said),
            checkpoint_every_s=self.options.checkpoint_every,
        )


def _prepare(
    options: argparse.Namespace,
    device: torch.device,
    precision: torch.dtype,
    tell: Callable[[bool, str], None] | None = None,
) -> _Job:
    """Make everything ready; what a mistake would leave behind is made last.

    Args:
        tell: see `Patience`; None: the user is told by this process.
    """
    name = options.space.stem if options.study is None else options.study
    check_name(name)
    space = load_space(options.space)
    check_parameters(space, options.space)
    dataset = _dataset(options)
    trainer = _trainer(dataset, space, options, device, precision)
    check_trainable(space, trainer.infeasible)
    sampler_name = options.sampler or _fitting_sampler(space)
    sampler = make_sampler(sampler_name, space, trainer.infeasible, options.seed)
    pruner = make_pruner(options.pruner, trainer.epochs)
    artifacts = open_artifacts(options.artifacts, create=True)
    # Which worker may begin while the storage is away; a mistake in its address is told at once.
    patience = Patience(options.storage_patience, from_start=bool(options.as_worker))
    patience.tell = tell or patience.tell
    place = open_storage(options.storage, create=not options.as_worker, patience=patience)
    opened = open_study(place, name, space, trainer)
    if opened.is_new:  # which no worker finds: this process opens the study before them
        _keep_sheets(opened.study, dataset, artifacts)
    n_expected = options.trials
    if sampler_name == "grid":  # which ends with its last point
        n_expected = min(n_expected, space.n_grid_points() or n_expected)
    return _Job(options, opened, trainer, sampler, pruner, n_expected)


def _dataset(options: argparse.Namespace) -> Dataset:
    dataset = load_dataset(
        find_source(options.data), options.image_size, progress=not options.quiet
    )
    console = Console(quiet=options.quiet, highlight=False, markup=False)
    for note in dataset.notes:
        console.print(note, soft_wrap=not console.is_terminal)
    return dataset


def _keep_sheets(study: Study, dataset: Dataset, artifacts: Artifacts) -> None:
    """Keep pictures of the data with a new study; where there is no room for them, none."""
    from mame_cnn.data.sheets import dataset_sheets  # imports matplotlib, for new studies alone

    try:
        artifacts.keep(study, dataset_sheets(dataset))
    except OSError as error:
        reason = error.strerror or error
        print(
            f"--artifacts {artifacts.folder}: {reason}: pictures of the data are not kept",
            file=sys.stderr,
        )


def _trainer(
    dataset: Dataset,
    space: Space,
    options: argparse.Namespace,
    device: torch.device,
    precision: torch.dtype,
) -> ImageTrainer:
    return ImageTrainer(
        dataset,
        epochs=options.epochs or space.epochs,
        data_seed=options.seed,
        device=device,
        precision=precision,
        # Workers on the CPU share it; on GPUs each has its own.
        n_sharing=(options.workers or 1) if device.type == "cpu" else 1,
    )


def _commands(
    given: Sequence[str], workers: Sequence[Share], timeout_s: float | None, asked: str | None
) -> list[Command]:
    """Return this command again, once for each worker with its share."""
    # The monotonic clock is one for all processes of a machine, and nobody sets it.
    until = math.inf if timeout_s is None else time.monotonic() + timeout_s
    return [
        Command(
            [sys.executable, *_arguments(given, share.device, share.n_threads, str(until), asked)],
            share.n_threads,
        )
        for share in workers
    ]


def _arguments(
    given: Sequence[str], device: str, n_threads: int, until: str, asked: str | None
) -> list[str]:
    """Return what Python is called with for a worker of this command."""
    own = ["-m", "search.run", "--as-worker", device, str(n_threads), until, asked or ""]
    return [*own, *given]  # in this order: what was given may end in arguments after `--`


def _work(options: argparse.Namespace) -> int:
    """Search as one of several workers, and tell the process that started them."""
    name, n_threads, until, asked = options.as_worker
    # With a sign in front, seconds from now.
    until_s = float(until) + (time.monotonic() if until.startswith("+") else 0)
    stop_with_parent()
    torch.set_num_threads(int(n_threads))
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    options.quiet = True
    events = EventDisplay(sys.stdout)
    try:
        precision = choose_precision(options.precision, device)
        job = _prepare(options, device, precision, tell=events.storage)
        if job.opened.is_new:
            there = f"--storage {job.opened.place.given} on {socket.gethostname()}"
            raise UserError(f"{there}: is another one, without the study; hosts must share it")
        left_s = until_s - time.monotonic()
        events.came_to(job.run(events, None if left_s == math.inf else left_s, asked or None))
    except UserError as error:
        events.refused(str(error), error.status)
        return error.status
    return 0


def _cohort_size(given: int | str | None, device: torch.device) -> int | None:
    """Return how many trials train together, None for as many as train fastest.

    Without the option one at a time on a CPU, which a measured number would make unrepeatable
    for a small gain; as many as train fastest on a GPU, where a step is mostly waiting.
    """
    if isinstance(given, int):
        return given
    return 1 if given is None and device.type == "cpu" else None


def _fitting_sampler(space: Space) -> str:
    """Return the grid for a space that can be tried whole, else the default sampler.

    Not by --trials: a study that is continued with more of them keeps its sampler.
    """
    n_points = space.n_grid_points()
    return "grid" if n_points is not None and n_points <= DEFAULT_TRIALS else SAMPLERS[0]


def check_parameters(space: Space, path: Path) -> None:
    """Raise `UserError` for parameters that networks do not have, before any data is read."""
    values: dict[str, Sequence[Value]] = {name: [value] for name, value in space.fixed.items()}
    values |= {parameter.name: _values(parameter) for parameter in space.parameters}
    if messages := space_faults(values):
        raise UserError("\n  ".join([f"{path}: the networks cannot have this:", *messages]))


def _values(parameter: Parameter) -> Sequence[Value]:
    """Return all that a parameter may be if that is not much, else the ends of its range."""
    n_values = parameter.n_values()
    if isinstance(parameter, Choice) or (n_values is not None and n_values <= MAX_VALUES):
        return parameter.grid() or ()
    return parameter.low, parameter.high


if __name__ == "__main__":
    sys.exit(exit_status(main))
