"""`python -m benchmarks.reference --data DIR`: experiments of earlier work on other images.

Chosen reference configurations are trained as they are, but for the images, their size and the
number of epochs; what is said in epochs shrinks with that number. Training and validation accuracy
are printed beside the documents'. The data differ, so this shows that the experiments run, and
which of them under- and overfit; it neither confirms nor refutes the documents' figures.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.report import Result, make_parser, publish
from commands.arguments import whole
from commands.counting import counted
from commands.errors import UserError, exit_status
from mame_cnn.configuration.config import Config
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.families.network import n_parameters
from mame_cnn.inputs.device_data import DeviceData, to_device
from mame_cnn.precision import choose_precision
from mame_cnn.reference import Reference, read_references
from mame_cnn.runs.final_training import train_to_the_end
from mame_cnn.runs.training_plan import with_seed

CHOSEN = (
    *(f"mame-{number:02d}" for number in (2, 3, 5, 6, 7, 10, 12)),
    *("painters-vgg", "painters-resnet29", "painters-mobilenetv2"),
    "scenes-densenet-cut1",
)
IMAGE_SIZE = 64
WARNING = (
    "The data differ from the documents', and so do image size and epochs: the figures side by "
    "side are no comparison."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Train the chosen experiments and print their accuracies beside the documents'."""
    options = _parser().parse_args(argv)
    references = chosen(options.only or CHOSEN)
    device = choose_device(options.device)
    dataset = load_dataset(options.data, options.image_size)
    data = to_device(dataset, device, precision=choose_precision("auto", device))
    print(WARNING, file=sys.stderr)
    results = []
    for reference in references:
        for seed in range(options.seeds):
            results.append(_trained(reference, seed, dataset, data, options.epochs))
            shown = {name: results[-1][name] for name in ("name", "seed", "train", "val")}
            print(shown, results[-1]["failure"] or "", file=sys.stderr, flush=True)
    epochs = counted(options.epochs, "epoch")
    publish(
        results,
        device=device,
        title=f"{dataset.name} at {dataset.image_size} px, {epochs}, in %",
        columns={
            "experiment": lambda one: one["name"],
            "seed": lambda one: str(one["seed"]),
            "parameters": lambda one: f"{one['parameters']:,}",
            "epoch": lambda one: str(one["epoch"] or ""),
            "train": lambda one: _percent(one["train"]),
            "val": lambda one: _percent(one["val"]),
            "documents: train": lambda one: _percent(one["published"].get("train")),
            "val ": lambda one: _percent(one["published"].get("val")),
            "test": lambda one: _percent(one["published"].get("test")),
            "failure": lambda one: one["failure"] or "",
        },
        lines=[WARNING, _guessing(dataset)],
        path=options.json,
        data=dataset.digest,
        image_size=dataset.image_size,
        epochs=options.epochs,
    )
    return 0


def chosen(names: Sequence[str]) -> list[Reference]:
    """Return the reference configurations of these names.

    Raises `UserError` naming those that there are not, or that are ensembles.
    """
    known = {reference.name: reference for reference in read_references()}
    networks = [name for name, reference in known.items() if reference.config is not None]
    if unknown := [name for name in names if name not in networks]:
        raise UserError(
            f"--only: no reference configuration of one network: {', '.join(unknown)}; "
            f"there are {', '.join(networks)}"
        )
    return [known[name] for name in names]


def scaled(config: Config, dataset: Dataset, epochs: int) -> Config:
    """Return an experiment for other images and another number of epochs.

    Early stopping is off; epochs after which something sets in keep their share of all epochs.
    """
    content: dict[str, Any] = config.model_dump(mode="json")
    training = content["training"]
    share = epochs / training["epochs"]
    content["data"] |= {"source": dataset.source, "image_size": dataset.image_size}
    training |= {
        "epochs": epochs,
        "patience_epochs": 0,
        "l1_after_epochs": round(share * training["l1_after_epochs"]),
    }
    if training["schedule"]["name"] == "exponential":
        training["schedule"]["after_epochs"] = round(share * training["schedule"]["after_epochs"])
    return Config.model_validate(content)


def _trained(
    reference: Reference, number: int, dataset: Dataset, data: DeviceData, epochs: int
) -> Result:
    """Train one experiment with a seed, and return its figures or why there are none."""
    assert reference.config is not None  # `chosen` has no others
    config = with_seed(scaled(reference.config, dataset, epochs), number)
    result: Result = {
        "name": reference.name,
        "seed": number + 1,
        "source": reference.origin.source,
        "published": reference.origin.published.model_dump(exclude_none=True),
        "parameters": n_parameters(
            config.network,
            channels=data.channels,
            image_size=data.image_size,
            n_classes=data.n_classes,
        ),
        **dict.fromkeys(("epoch", "train", "val", "failure", "history")),
    }
    try:
        training = train_to_the_end(config, data, lambda _: None)
    except UserError as error:
        return {**result, "failure": str(error)}
    return {
        **result,
        "epoch": training.best.epoch,
        "train": training.best.train_accuracy,
        "val": training.best.val_accuracy,
        "history": [[one.train_accuracy, one.val_accuracy] for one in training.history],
    }


def _guessing(dataset: Dataset) -> str:
    """Say what is right without looking at images."""
    counts = np.bincount(dataset.val.labels, minlength=len(dataset.classes))
    return (
        f"Always to answer the largest class is right for {counts.max() / counts.sum():.1%} of "
        f"the {counts.sum():,} validation images; {len(dataset.train.labels):,} to train on, "
        f"{len(dataset.classes)} classes."
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("reference", __doc__)
    add = parser.add_argument
    add("--data", required=True, metavar="DIR|digits")
    add("--image-size", type=whole(at_least=1), default=IMAGE_SIZE, metavar="PX")
    add("--epochs", type=whole(at_least=1), default=20, metavar="E")
    add("--seeds", type=whole(at_least=1), default=1, metavar="K")
    add("--device", default="auto")
    add("--only", nargs="+", metavar="NAME", help=f"default: {', '.join(CHOSEN)}")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
