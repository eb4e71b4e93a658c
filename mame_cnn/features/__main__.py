"""`python -m mame_cnn.features NETWORK`: a classical classifier on what a network sees."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.data.load import find_source
from mame_cnn.device import choose_device
from mame_cnn.features.config import DEFAULTS, FeaturesConfig, Value, config_from_params
from mame_cnn.features.layers import SETS, Layer
from mame_cnn.features.looker import BACKBONE_IMAGE_SIZE, Looker, open_looker
from mame_cnn.features.run import FeaturesRun, run_features
from mame_cnn.features.run_folder import read_features_config
from mame_cnn.pretrained.backbones import BACKBONES
from mame_cnn.pretrained.weights_file import TORCHVISION
from mame_cnn.runs.run_folder import check_is_free, numbered

CLASSIFIERS = ("forest", "svm", "logistic", "neighbours")
EXAMPLES = f"""\
examples:
  python -m mame_cnn.features studies/capacity/runs/best-01
  python -m mame_cnn.features studies/capacity/runs/best-01 --data ~/other --layers last
  python -m mame_cnn.features vgg16 --data ~/mame --trees 100 --min-samples-leaf 2
  python -m mame_cnn.features vgg16 --data ~/mame --layers block5_conv3 --classifier svm
  python -m mame_cnn.features vgg16 --list-layers
  python -m mame_cnn.features studies/features/best.toml

layers: names as --list-layers shows them, or
{chr(10).join(f"  {name:<14}{what}" for name, what in SETS.items())}

A backbone is one of {", ".join(BACKBONES)}:
pretrained on other images, so that its results are none of a task from scratch.
"""
_PARAMS = (*("trees", "min_samples_leaf", "c", "neighbours", "classifier", "metadata"),)
_OF_CONFIG = (*_PARAMS, *("layers", "discretise", "weights", "sha256", "image_size", "seed"))
"""Options that a configuration file leaves no room for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    if options.out is not None:
        check_is_free(options.out)
    device = choose_device(options.device)
    if options.network.endswith(".toml"):
        config, provenance, looker = _from_file(options, device)
    else:
        provenance = {}
        looker = open_looker(
            options.network,
            device,
            weights=options.weights or TORCHVISION,
            sha256=options.sha256 or "",
            image_size=options.image_size,
        )
        config = None if options.list_layers else _config(options, looker)
    if config is None:
        _show_layers(looker)
        return 0
    console = Console(quiet=options.quiet, highlight=False, markup=False, soft_wrap=True)
    run = run_features(
        config,
        looker,
        parent=_parent(options),
        places=_places(options),
        provenance=provenance,
        say=console.print,
        progress=not options.quiet,
    )
    for line in _lines(run):
        console.print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.features",
        description="Fit a classifier to the spatial averages of a network's layers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "network",
        metavar="NETWORK",
        help="a run's folder, a weights file, a backbone's name, or the configuration of a "
        "classifier on features (CONFIG.toml)",
    )
    add(
        "--data",
        metavar="DIR|digits",
        help="default: what the network was trained on; of a backbone $MAME_DATA, data/mame or "
        "the digits",
    )
    add("--layers", nargs="+", metavar="NAME", help=f"default: {DEFAULTS['layers']}")
    _add_classifier(parser)
    _add_backbone(parser)
    add("--list-layers", action="store_true", help="show the network's layers, and end")
    add("--seed", type=whole(at_least=0), metavar="S", help="default: 0")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    add("--out", type=Path, metavar="DIR", help="default: studies/features/NETWORK-01")
    add("--quiet", action="store_true", help="print errors only")
    return parser


def _add_classifier(parser: argparse.ArgumentParser) -> None:
    """Add what the classifier is, and what it sees."""
    add = parser.add_argument
    add("--classifier", choices=CLASSIFIERS, help=f"default: {DEFAULTS['classifier']}")
    add("--trees", type=whole(at_least=1), metavar="N", help=_default("trees"))
    add(
        "--min-samples-leaf",
        type=whole(at_least=1),
        metavar="N",
        help=_default("min_samples_leaf"),
    )
    add("--c", type=float, metavar="C", help=f"of svm and logistic; {_default('c')}")
    add("--neighbours", type=whole(at_least=1), metavar="K", help=_default("neighbours"))
    add(
        "--discretise",
        action="store_true",
        default=None,
        help="make -1, 0 and 1 of features (Garcia-Gasulla et al. 2018)",
    )
    add(
        "--metadata",
        choices=("none", "size"),
        help="size: the classifier sees width, height and aspect ratio of the photographs as "
        "well, which tell how a museum photographs (default: none)",
    )


def _add_backbone(parser: argparse.ArgumentParser) -> None:
    """Add what only a backbone's name leaves open."""
    add = parser.add_argument
    add(
        "--weights",
        metavar="FILE",
        help="of a backbone: a file (default: torchvision's, downloaded where it is missing)",
    )
    add("--sha256", metavar="HEX", help="what that file's SHA-256 must begin with")
    add(
        "--image-size",
        type=whole(at_least=1),
        metavar="PX",
        help=f"of a backbone (default: {BACKBONE_IMAGE_SIZE}); a trained network has its own",
    )


def _default(name: str) -> str:
    return f"default: {DEFAULTS[name]}"


def _from_file(
    options: argparse.Namespace, device: torch.device
) -> tuple[FeaturesConfig | None, dict[str, Any], Looker]:
    """Return a file's configuration, where it came from, and its network."""
    path = Path(options.network)
    if given := [name for name in _OF_CONFIG if getattr(options, name) is not None]:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UserError(f"{named}: {path} says that already; change it there")
    config, provenance = read_features_config(path)
    looker = open_looker(
        config.looker,
        device,
        weights=config.weights,
        sha256=config.sha256,
        image_size=config.data.image_size,
    )
    if options.data is not None:
        data = config.data.model_copy(update={"source": options.data})
        config = config.model_copy(update={"data": data})
    return None if options.list_layers else config, provenance, looker


def _config(options: argparse.Namespace, looker: Looker) -> FeaturesConfig:
    params: dict[str, Value] = {
        name: getattr(options, name) for name in _PARAMS if getattr(options, name) is not None
    }
    if options.layers is not None:
        params["layers"] = "+".join(options.layers)
    if options.discretise:
        params["discretisation"] = "full_network"
    has_source = options.data is None and looker.source is not None
    return config_from_params(
        params,
        looker=looker.name,
        weights=options.weights or TORCHVISION,
        sha256=options.sha256 or "",
        source=str(looker.source) if has_source else find_source(options.data),
        image_size=looker.image_size,
        seed=options.seed or 0,
    )


def _parent(options: argparse.Namespace) -> Path:
    """Return the folder in which the run's folder is made."""
    if options.out is not None:
        out: Path = options.out
        return out.parent
    network = Path(options.network)
    return network.parent / "runs" if network.suffix == ".toml" else Path("studies", "features")


def _places(options: argparse.Namespace) -> Iterator[Path]:
    """Yield where the run may go, the wanted place first."""
    parent = _parent(options)
    if options.out is not None:
        return chain([options.out], numbered(parent, f"{options.out.name}-again"))
    network = Path(options.network)
    return numbered(parent, network.stem or "network")


def _show_layers(looker: Looker) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name in ("layer", "in torchvision's graph", "features", "map"):
        table.add_column(name, justify="right" if name in ("features", "map") else "left")
    for layer in looker.layers:
        table.add_row(layer.name, layer.node, f"{layer.n_features:,}", _map(layer))
    Console(highlight=False, markup=False).print(table)


def _map(layer: Layer) -> str:
    return f"{layer.map_px} x {layer.map_px}" if layer.map_px else "dense"


def _lines(run: FeaturesRun) -> Iterator[str]:
    """Yield what is shown on the terminal."""
    fitted, val = run.fitted, run.val
    n_layers = len(fitted.layers)
    yield (
        f"{fitted.n_features:,} features of {n_layers} layer{'s' if n_layers > 1 else ''}; fitted "
        f"in {fitted.seconds:.1f} s"
    )
    if not fitted.is_converged:
        yield "note: stopped before it converged; a smaller --c helps"
    yield f"training accuracy {run.train.accuracy:.1%}"
    yield (
        f"validation accuracy {val.accuracy:.1%}, 95 % interval {run.interval.low:.1%} to "
        f"{run.interval.high:.1%}; macro F1 {val.macro_f1:.3f}"
    )
    yield f"written to {run.folder}"


if __name__ == "__main__":
    sys.exit(exit_status(main))
