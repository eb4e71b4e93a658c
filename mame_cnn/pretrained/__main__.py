"""`python -m mame_cnn.pretrained`: backbones that there are, and configurations on one of them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from commands.arguments import whole
from commands.errors import UserError, check_can_be_written, exit_status
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.pretrained import BACKBONE_BLOCKS, Pretrained, SeenVal, Trained
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import find_source
from mame_cnn.models.model_file import WEIGHTS, read_model
from mame_cnn.pretrained.backbones import BACKBONES, file_name
from mame_cnn.pretrained.table import TRAINED
from mame_cnn.pretrained.weights_file import TORCHVISION

EXAMPLES = """\
examples:
  python -m mame_cnn.pretrained
  python -m mame_cnn.pretrained vgg16 --out head.toml
  python -m mame_cnn.pretrained resnet50 --weights ~/resnet50-0676ba61.pth --out head.toml
  python -m mame_cnn.pretrained runs/paintings-01 --unfreeze 10:3:1e-4 --out moved.toml
  python -m mame_cnn.train moved.toml --data data/mame
"""
IMAGE_SIZE = 224  # pixels, of the images that torchvision's weights were trained on
EPOCHS = 60
_BATCH_SIZE = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    if options.source is None:
        _list()
        return 0
    if options.out is None:
        raise UserError("--out: missing; it names the configuration to write")
    if options.out.exists():
        raise UserError(f"--out {options.out}: exists; nothing is overwritten")
    check_can_be_written(options.out)
    config = transfer_config(
        options.source,
        weights=options.weights,
        data=find_source(options.data),
        image_size=options.image_size,
        epochs=options.epochs,
        unfreezing=options.unfreeze,
    )
    write_config(options.out, config, {})
    if seen := _seen_val(config):
        print(
            f"note: {options.source} was trained on the validation images of {seen.data_name} "
            f"(data {seen.data_digest}), which prove nothing of what is trained on it"
        )
    print(f"written to {options.out}; it says from_scratch = false")
    return 0


def transfer_config(
    source: str,
    *,
    weights: str | None = None,
    data: str,
    image_size: int | None = None,
    epochs: int = EPOCHS,
    unfreezing: Sequence[Mapping[str, Value]] = (),
) -> Config:
    """Return a configuration of a new head on what was trained before.

    Raises `UserError` if there is no such backbone or its file is of no use.

    Args:
        source: a backbone of torchvision, or a run's folder or weights file of this project.
        weights: a file for a backbone; None: torchvision's own.
        data: what to train on, as of a configuration.
        image_size: None for that of the run, or 224 pixels.
        unfreezing: fields of each step.
    """
    params: dict[str, Value] = {
        "family": "pretrained",
        "from_scratch": "false",
        "patience_on": "loss",
        "batch_size": _BATCH_SIZE,
    }
    if source in BACKBONES:
        params |= {"backbone": source, "weights": weights or TORCHVISION}
    else:
        if weights is not None:
            raise UserError(f"--weights: belongs to a backbone; {source} has its own")
        path = _weights_of(source)
        trained = read_model(path).config.data
        image_size = image_size or trained.image_size
        params |= {
            "backbone": TRAINED,
            "weights": str(path),
            "normalisation": trained.normalisation,
        }
    params["unfreeze_steps"] = len(unfreezing)
    for number, step in enumerate(unfreezing, start=1):
        params |= {f"unfreeze_{name}_{number}": value for name, value in step.items()}
    return config_from_params(
        params,
        source=data,
        image_size=image_size or IMAGE_SIZE,
        epochs=epochs,
        seed=0,
        data_seed=0,
    )


def _seen_val(config: Config) -> SeenVal | None:
    """Return the data whose validation images a configuration's backbone was trained on."""
    network = config.network
    assert isinstance(network, Pretrained)
    return network.backbone.seen_val if isinstance(network.backbone, Trained) else None


def _weights_of(source: str) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        path /= WEIGHTS
    if not path.is_file():
        raise UserError(
            f"{source}: expected the folder of a run (with {WEIGHTS}), a weights file, or one of "
            f"{', '.join(BACKBONES)}"
        )
    return path


def _list() -> None:
    """Print the backbones, their weights and where these belong."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    places = Path(torch.hub.get_dir(), "checkpoints")
    table = Table("backbone", "blocks", "images from", "sha256", "here", box=None)
    urls = []
    for name, backbone in BACKBONES.items():
        for digits, url in backbone.released.items():
            is_here = (places / file_name(url)).is_file()
            least = f"{backbone.smallest_px} px"
            here = "yes" if is_here else "no"
            table.add_row(name, str(BACKBONE_BLOCKS[name]), least, digits, here)
            urls += [] if is_here else [url]
    console.print(table)
    if urls:
        console.print(f"downloaded when first used; by hand, put them into {places}:")
        console.print("\n".join(urls))


def _step(text: str) -> dict[str, Value]:
    """Return the fields of EPOCHS:BLOCK or EPOCHS:BLOCK:LR."""
    epochs, _, rest = text.partition(":")
    block, _, lr = rest.partition(":")
    try:
        step: dict[str, Value] = {"after_epochs": int(epochs), "from_block": int(block)}
        return {**step, "lr": float(lr)} if lr else step
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected EPOCHS:BLOCK or EPOCHS:BLOCK:LR, such as 10:4:1e-5, got {text}"
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.pretrained",
        description="List torchvision's backbones, or write a configuration that puts a new head "
        "on one of them or on a network of this project.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", nargs="?", metavar="BACKBONE|RUN", help="without it, backbones are listed")
    add("--weights", metavar="FILE", help="of a backbone (default: what torchvision downloads)")
    add("--data", metavar="DIR|digits", help="default: $MAME_DATA, data/mame, then digits")
    add("--image-size", type=whole(at_least=8), metavar="PX", help="default: the run's, or 224")
    add("--epochs", type=whole(at_least=1), default=EPOCHS, metavar="E", help=f"default: {EPOCHS}")
    add(
        "--unfreeze",
        type=_step,
        action="append",
        default=[],
        metavar="EPOCHS:BLOCK[:LR]",
        help="after so many epochs train the backbone from this block on; may be repeated",
    )
    add("--out", type=Path, metavar="FILE.toml", help="the configuration to write")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
