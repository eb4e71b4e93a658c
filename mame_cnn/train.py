"""`python -m mame_cnn.train CONFIG.toml`: train one configuration to the end."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from commands.errors import exit_status
from mame_cnn.configuration.config_file import read_config
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.distribution.processes import Ranks, joined, named_by_rank, said_by_the_first
from mame_cnn.models.onnx_export import check_installed
from mame_cnn.precision import choose_precision
from mame_cnn.reference import read_references, show
from mame_cnn.runs.run_folder import check_is_free, numbered
from mame_cnn.runs.training_plan import Plan, add_options
from mame_cnn.runs.training_runs import TrainingOfRuns, places_of

EXAMPLES = """\
examples:
  python -m mame_cnn.train studies/regularization/best.toml
  python -m mame_cnn.train studies/regularization/best.toml --epochs 100 --seeds 3
  python -m mame_cnn.train studies/regularization/best.toml --data ~/mame --device cuda
  python -m mame_cnn.train studies/regularization/best.toml --train-on-val --ema 0.999
  python -m mame_cnn.train --list
  python -m mame_cnn.train studies/reference/mame-07.toml --data ~/mame
  torchrun --standalone --nproc-per-node 2 -m mame_cnn.train studies/regularization/best.toml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ranks = Ranks.of(os.environ)
    with said_by_the_first(ranks):
        options = _options(argv)
        if options.list:
            return _list(options)
        config, provenance = read_config(options.config)
        if options.out is not None:
            check_is_free(options.out)
        if options.onnx:
            check_installed()
    options.quiet |= not ranks.is_first
    with named_by_rank(ranks):
        device = choose_device(ranks.device_name(options.device))
        precision = choose_precision(options.precision, device)
    with said_by_the_first(ranks):
        source = config.data.source if options.data is None else options.data
        dataset = load_dataset(source, config.data.image_size, progress=not options.quiet)
    runs = TrainingOfRuns(
        dataset,
        device,
        precision,
        plan=Plan.of(options),
        parent=_parent(options),
        places=lambda number: _places(options, number),
        seeds=options.seeds,
        provenance=provenance,
        onnx=options.onnx,
        console=Console(quiet=options.quiet, highlight=False, markup=False, soft_wrap=True),
        ranks=ranks,
    )
    with named_by_rank(ranks), joined(ranks, device):
        return runs.train(config).exit_status()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.train",
        description="Train one configuration to the end and keep its best epoch.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml")
    add_options(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: runs/NAME-01 beside the file"
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="list the reference configurations with the figures published of them, train nothing",
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    return parser


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.list == (options.config is not None):
        parser.error("expected either a CONFIG.toml or --list")
    if options.json and not options.list:
        parser.error("--json: belongs to --list")
    return options


def _list(options: argparse.Namespace) -> int:
    """Print the reference configurations."""
    references = read_references()
    if options.json:
        print(json.dumps([reference.to_json() for reference in references], indent=1))
    else:
        show(references, Console(highlight=False, markup=False, soft_wrap=True))
    return 0


def _parent(options: argparse.Namespace) -> Path:
    """Return the folder in which the runs' folders are made."""
    config: Path = options.config
    out: Path | None = options.out
    if out is None:
        return config.parent / "runs"
    return out.parent if options.seeds == 1 else out


def _places(options: argparse.Namespace, number: int) -> Iterator[Path]:
    """Yield where a run may go, the wanted place first."""
    if options.out is None:
        return numbered(_parent(options), options.config.stem)
    return places_of(options.out, number, options.seeds)


if __name__ == "__main__":
    sys.exit(exit_status(main))
