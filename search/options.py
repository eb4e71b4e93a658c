"""The options of `python -m search.run`, read and explained."""

import argparse
from pathlib import Path

from commands.arguments import cohort, seconds, seconds_or_0, whole
from commands.errors import UserError
from search.engine.saving import DEFAULT_BETWEEN_S
from search.place_options import add_artifacts, add_storage
from search.sampling.pruners import PRUNERS
from search.sampling.samplers import SAMPLERS
from search.storages.patience import DEFAULT_PATIENCE_S
from search.workers.worker import DEFAULT_HANG_LIMIT_S

DEFAULT_TRIALS = 50
ENGINES = ("local", "ray")
_OF_RAY = ("address", "gpus_per_worker", "cpus_per_worker")

EXAMPLES = """\
examples:
  python -m search.run spaces/regularization.py --trials 50
  python -m search.run spaces/regularization.py --trials 80      continue the same study
  python -m search.run spaces/capacity.py --data ~/mame --image-size 64 --device cuda
  python -m search.run spaces/capacity.py --data ~/mame --image-size 64 --workers 4
  python -m search.run spaces/dropout.py --sampler grid --study dropout-mame
  python -m search.run spaces/capacity.py --engine ray --workers 8 --gpus-per-worker 1
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m search.run",
        description="Search a space of networks; the same command again continues the study.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("space", type=Path, metavar="SPACE.py", help="a Python file, and run as such")
    add("--quiet", action="store_true", help="print the outcome and warnings only")
    # How a process starts its workers: their device, threads, end in seconds of the monotonic
    # clock, and the request to stop that was there before.
    add("--as-worker", nargs=4, help=argparse.SUPPRESS)
    _add_study(parser.add_argument_group("the study"))
    _add_images(parser.add_argument_group("the images"))
    _add_places(parser.add_argument_group("where it is kept"))
    _add_machine(parser.add_argument_group("the machine"))
    _add_features(parser.add_argument_group("classifiers on features"))
    _add_ray(parser.add_argument_group("a Ray cluster"))
    return parser


def _add_study(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--trials",
        type=whole(at_least=1),
        default=DEFAULT_TRIALS,
        metavar="N",
        help=f"the study's total, however many runs it takes (default: {DEFAULT_TRIALS})",
    )
    add("--study", metavar="NAME", help="what it is called (default: as the space file)")
    add(
        "--sampler",
        choices=SAMPLERS,
        help="what draws trials "
        f"(default: tpe; grid for a space of at most {DEFAULT_TRIALS} points)",
    )
    add(
        "--pruner",
        choices=PRUNERS,
        default=PRUNERS[0],
        help="what ends trials early (default: %(default)s)",
    )
    add(
        "--seed",
        type=whole(at_least=0),
        default=0,
        metavar="S",
        help="the same seed, the same trials (default: 0)",
    )


def _add_images(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--data",
        metavar="DIR|digits",
        help="a folder of images (default: $MAME_DATA, then data/mame, then the embedded digits)",
    )
    add(
        "--image-size", type=int, metavar="PX", help="their side (default: 256; 32 for the digits)"
    )
    add(
        "--epochs",
        type=whole(at_least=1),
        metavar="E",
        help="the most that a trial trains (default: the space's)",
    )


def _add_places(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add_storage(group)
    add(
        "--storage-patience",
        type=seconds_or_0,
        default=DEFAULT_PATIENCE_S,
        metavar="SECONDS",
        help="how long a search waits for a database that goes away (default: %(default)g)",
    )
    add_artifacts(
        group,
        "where trials leave their curves, validation probabilities and pictures, for "
        "search.compare, search.report and the dashboard",
    )
    add(
        "--checkpoint-every",
        type=seconds_or_0,
        default=DEFAULT_BETWEEN_S,
        metavar="SECONDS",
        help="the most that a trial loses when its process dies, or one epoch where that takes "
        "longer; 0: every epoch (default: %(default)g)",
    )


def _add_machine(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    add(
        "--precision",
        default="auto",
        help="auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware has it)",
    )
    add(
        "--workers",
        type=whole(at_least=1),
        metavar="W",
        help="processes that share the study, the cores and the GPUs "
        "(default: one for each GPU; on a CPU one, whose study can be repeated exactly)",
    )
    add(
        "--cohort",
        type=cohort,
        metavar="auto|T",
        help="trials that train as one, where they fit; auto: as many as train fastest, which is "
        "measured (default: auto on a GPU; 1 on a CPU, whose study can be repeated exactly)",
    )
    add(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="the whole search's time, from when it is ready to train; it stops before the epoch "
        "that would end too late",
    )
    add(
        "--hang-limit",
        type=seconds,
        default=DEFAULT_HANG_LIMIT_S,
        metavar="SECONDS",
        help="a worker that tells nothing and uses no processor for so long is replaced "
        "(default: %(default)g)",
    )


def _add_features(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--looker",
        metavar="RUN|BACKBONE",
        help="for a space of classifiers on features: the network that looks at the images, a "
        "run's folder or the name of a backbone (default: vgg16)",
    )
    add("--weights", metavar="FILE", help="of that backbone (default: torchvision's)")


def _add_ray(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="where workers run: on this machine, or on the nodes of a Ray cluster "
        "(default: %(default)s)",
    )
    add(
        "--address",
        metavar="auto|HOST:PORT",
        help="the Ray cluster (default: $RAY_ADDRESS, then the one that runs here, then one that "
        "is started for this search)",
    )
    add(
        "--gpus-per-worker",
        type=gpus,
        metavar="G",
        help="on Ray: 1, or a share such as 0.5; 0: the CPU (default: 1 where there are any)",
    )
    add(
        "--cpus-per-worker",
        type=whole(at_least=1),
        metavar="C",
        help="on Ray: cores of a worker, which are its threads (default: 1)",
    )


def check_engine(options: argparse.Namespace) -> None:
    """Raise `UserError` for options that the engine does not have."""
    given = [name for name in _OF_RAY if getattr(options, name) is not None]
    if options.engine != "ray" and given:
        raise UserError(f"--{given[0].replace('_', '-')}: needs --engine ray")


def gpus(text: str) -> float:
    """Return a number of GPUs, 0 to 1: a network trains on one."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(
            f"a worker trains on one GPU: expected a number from 0 to 1, got {text}"
        )
    return number
