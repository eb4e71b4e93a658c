"""The options of `python -m search.run`, read and explained."""

import argparse
from pathlib import Path

from commands.arguments import cohort, seconds, seconds_or_0, whole
from search.place_options import add_artifacts, add_storage
from search.pruners import PRUNERS
from search.samplers import SAMPLERS
from search.saving import DEFAULT_BETWEEN_S
from search.worker import DEFAULT_HANG_LIMIT_S

DEFAULT_TRIALS = 50

EXAMPLES = """\
examples:
  python -m search.run spaces/regularization.py --trials 50
  python -m search.run spaces/regularization.py --trials 80      continue the same study
  python -m search.run spaces/capacity.py --data ~/mame --image-size 64 --device cuda
  python -m search.run spaces/capacity.py --data ~/mame --image-size 64 --workers 4
  python -m search.run spaces/dropout.py --sampler grid --study dropout-mame
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
    add(
        "--trials",
        type=whole(at_least=1),
        default=DEFAULT_TRIALS,
        metavar="N",
        help=f"the study's total, however many runs it takes (default: {DEFAULT_TRIALS})",
    )
    add("--study", metavar="NAME", help="default: the space file's name")
    add(
        "--data",
        metavar="DIR|digits",
        help="default: $MAME_DATA, then data/mame, then the embedded digits",
    )
    add("--image-size", type=int, metavar="PX", help="default: 256; 32 for the digits")
    add("--epochs", type=whole(at_least=1), metavar="E", help="default: the space's")
    add_storage(parser)
    add_artifacts(
        parser,
        "where trials leave their curves, validation probabilities and pictures, for "
        "search.compare, search.report and the dashboard",
    )
    add(
        "--sampler",
        choices=SAMPLERS,
        help=f"default: tpe; grid for a space of at most {DEFAULT_TRIALS} points",
    )
    add("--pruner", choices=PRUNERS, default=PRUNERS[0], help="default: %(default)s")
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
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    add(
        "--precision",
        default="auto",
        help="auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware has it)",
    )
    add("--seed", type=whole(at_least=0), default=0, metavar="S", help="default: 0")
    add(
        "--timeout", type=seconds, metavar="SECONDS", help="stop before the epoch that is too long"
    )
    add(
        "--checkpoint-every",
        type=seconds_or_0,
        default=DEFAULT_BETWEEN_S,
        metavar="SECONDS",
        help="the most that a trial loses when its process dies, or one epoch where that takes "
        "longer; 0: every epoch (default: %(default)g)",
    )
    add(
        "--hang-limit",
        type=seconds,
        default=DEFAULT_HANG_LIMIT_S,
        metavar="SECONDS",
        help="a worker that tells nothing and uses no processor for so long is replaced "
        "(default: %(default)g)",
    )
    add("--quiet", action="store_true", help="print the outcome only")
    # How a process starts its workers: their device, threads, end in seconds of the monotonic
    # clock, and the request to stop that was there before.
    add("--as-worker", nargs=4, help=argparse.SUPPRESS)
    return parser
