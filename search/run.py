"""`python -m search.run SPACE.py`: search a space, the command that joins the two halves.

With `search.images` it is the composition root: no other file of this package imports
`mame_cnn`. With several workers it starts itself again, once for each.
"""

import argparse
import math
import socket
import sys
import time
from collections.abc import Callable, Sequence

import torch
from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.device import choose_device, make_current
from mame_cnn.precision import choose_precision
from search.displays.display import make_display
from search.displays.events import EventDisplay, stop_with_parent
from search.displays.summary import summarise
from search.engine.stopping import request
from search.images import check_parameters, open_images, sheets
from search.options import check_engine, make_parser
from search.searching import Ready, Settings, make_ready
from search.space.file import load_space
from search.storages.patience import Patience
from search.storages.secrets import by_environment
from search.studies.study import check_name
from search.workers.ray_cluster import Cluster, reached
from search.workers.ray_engine import run_on_ray
from search.workers.shares import Share, n_usable_cores, shares
from search.workers.worker import Command
from search.workers.workers import run_workers


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


def _prepare(
    options: argparse.Namespace,
    device: torch.device,
    precision: torch.dtype,
    tell: Callable[[bool, str], None] | None = None,
) -> Ready:
    """Make everything ready; what a mistake would leave behind is made last.

    Args:
        tell: see `Patience`; None: the user is told by this process.
    """
    name = options.space.stem if options.study is None else options.study
    check_name(name)
    space = load_space(options.space)
    check_parameters(space, options.space)
    dataset, trainer = open_images(space, options, device, precision)
    # Which worker may begin while the storage is away; a mistake in its address is told at once.
    patience = Patience(options.storage_patience, from_start=bool(options.as_worker))
    patience.tell = tell or patience.tell
    return make_ready(
        space,
        trainer,
        Settings(
            study=name,
            trials=options.trials,
            storage=options.storage,
            artifacts=options.artifacts,
            sampler=options.sampler,
            pruner=options.pruner,
            seed=options.seed,
            cohort=_cohort_size(options.cohort, device),
            timeout_s=options.timeout,
            checkpoint_every_s=options.checkpoint_every,
        ),
        pictures=lambda: sheets(dataset),
        patience=patience,
        is_worker=bool(options.as_worker),
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
    make_current(device)
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


if __name__ == "__main__":
    sys.exit(exit_status(main))
