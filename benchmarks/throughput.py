"""`python -m benchmarks.throughput --data DIR`: training images per second, beside a plain script.

The same network on the same JPEGs, this project and what a user writes in turn, each round of
each side in a process of its own: so neither has the other's allocator settings, caches or
memory, and peak memory can be told.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import roofline
from benchmarks.experiments import AUGMENTATION, EXPERIMENTS, Experiment
from benchmarks.peak import peak_mib
from benchmarks.report import Columns, make_parser, measured, publish, untouched
from commands.arguments import whole
from commands.errors import exit_status
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.data.layout import read_listing
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.inputs.device_data import DeviceSplit, to_device
from mame_cnn.precision import choose_precision

SIDES = ("peer", "persistent peer", "ours")
N_TIMED_EPOCHS = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, or one measurement of it in a process of its own."""
    options = _parser().parse_args(argv)
    if options.measure:
        print(json.dumps(_measure(options)))
        return 0
    device = choose_device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        _link_class_folders(options.data, Path(folder))
        results = [
            _compare(options, Path(folder), experiment, image_size)
            for image_size in options.image_sizes
            for experiment in options.experiments
        ]
    limits = _roofline(device)
    for result in results:
        _add_share(result, limits)
    publish(
        results,
        device=device,
        title="training images/s, medians",
        columns=_COLUMNS,
        lines=[", ".join(f"{name} {value:,.0f}" for name, value in limits.items())],
        path=options.json,
        roofline=limits,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("throughput", __doc__)
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--image-sizes", type=whole(at_least=1), nargs="+", default=[256, 64], metavar="PX"
    )
    parser.add_argument(
        "--experiments", nargs="+", default=[*EXPERIMENTS], choices=[*EXPERIMENTS], metavar="N"
    )
    parser.add_argument("--rounds", type=whole(at_least=1), default=3)
    parser.add_argument(
        "--loader-workers", type=whole(at_least=1), default=2, help="the peer's processes"
    )
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser


def _compare(
    options: argparse.Namespace, folder: Path, experiment: str, image_size: int
) -> dict[str, Any]:
    """Measure all sides in turn, several rounds, and return medians and ratios."""
    rounds: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side, ones in rounds.items():
            ones.append(_measured(options, folder, experiment, image_size, side))
    rates = {side: median(one["images_per_s"] for one in ones) for side, ones in rounds.items()}
    return {
        "image_size": image_size,
        "experiment": experiment,
        "peer_images_per_s": rates["peer"],
        "persistent_peer_images_per_s": rates["persistent peer"],
        "ours_images_per_s": rates["ours"],
        "ratio": rates["ours"] / rates["peer"],
        "ratio_to_persistent_peer": rates["ours"] / rates["persistent peer"],
        "peak_mib": {s: max(one["peak_mib"] for one in ones) for s, ones in rounds.items()},
        "rounds": rounds,
    }


def _measured(
    options: argparse.Namespace, folder: Path, experiment: str, image_size: int, side: str
) -> dict[str, float]:
    """Return one side's images per second and peak memory, from a process of its own."""
    if side == "ours":
        of = ["--measure", "--experiments", experiment, "--image-sizes", image_size]
        own: dict[str, float] = measured(
            "benchmarks.throughput", "--data", options.data, "--device", options.device, *of
        )
        return own
    of = ["--experiment", experiment, "--image-size", image_size]
    of += ["--device", choose_device(options.device), "--loader-workers", options.loader_workers]
    of += ["--persistent"] if side == "persistent peer" else []
    theirs: dict[str, float] = measured("benchmarks.peer", folder, *of, environment=untouched())
    return theirs


def _measure(options: argparse.Namespace) -> dict[str, float]:
    """Return our images per second and peak memory in MiB."""
    [name], [image_size] = options.experiments, options.image_sizes
    device = choose_device(options.device)
    rate = _our_images_per_s(options.data, image_size, EXPERIMENTS[name], device)
    return {"images_per_s": rate, "peak_mib": peak_mib(device)}


def _our_images_per_s(
    source: str, image_size: int, experiment: Experiment, device: torch.device
) -> float:
    """Return the images per second of an epoch, augmentation and bookkeeping included."""
    precision = choose_precision("auto", device)
    data = to_device(load_dataset(source, image_size, progress=False), device, precision=precision)
    # The peer's epoch has no validation, so ours looks at one image only.
    data = replace(data, val=DeviceSplit(data.val.images[:1], data.val.labels[:1]))
    config = config_from_params(
        {**experiment.params(), **AUGMENTATION},
        source=source,
        image_size=image_size,
        epochs=N_TIMED_EPOCHS + 1,
        seed=0,
        data_seed=0,
    )
    cohort = Cohort([config], [0], data)
    cohort.train_epoch()
    return median(cohort.train_epoch()[0].images_per_s for _ in range(N_TIMED_EPOCHS))


def _link_class_folders(source: str, folder: Path) -> None:
    """Give the peer the training images as ImageFolder wants them, whatever their layout."""
    listing = read_listing(source)
    for number, item in enumerate(listing.splits["train"]):
        place = folder / f"{item.label:03d}"
        place.mkdir(exist_ok=True)
        (place / f"{number:06d}{item.path.suffix}").symlink_to(item.path.resolve())


def _roofline(device: torch.device) -> dict[str, float]:
    return {
        "float32_gflops": roofline.convolution_gflops(device, torch.float32),
        "bfloat16_gflops": roofline.convolution_gflops(device, torch.bfloat16),
        "copy_gb_per_s": roofline.copy_gb_per_s(device),
    }


def _add_share(result: dict[str, Any], limits: dict[str, float]) -> None:
    """Add which share of the convolutions' operations our training reaches; the faster's first."""
    network = EXPERIMENTS[result["experiment"]].plain(result["image_size"], n_classes=29)
    gflop = roofline.flop_per_image(network, result["image_size"]) / 1e9
    result["gflop_per_image"] = gflop
    shares = {
        precision: gflop * result["ours_images_per_s"] / limits[f"{precision}_gflops"]
        for precision in ("float32", "bfloat16")
    }
    result["roofline_share"] = min(shares.values())
    result["roofline_shares"] = shares


_COLUMNS: Columns = {
    "px": lambda one: str(one["image_size"]),
    "experiment": lambda one: one["experiment"],
    "peer": lambda one: f"{one['peer_images_per_s']:,.0f}",
    "persistent": lambda one: f"{one['persistent_peer_images_per_s']:,.0f}",
    "ours": lambda one: f"{one['ours_images_per_s']:,.0f}",
    "ratio": lambda one: f"{one['ratio']:.1f}",
    "to persistent": lambda one: f"{one['ratio_to_persistent_peer']:.1f}",
    "share of roofline": lambda one: f"{one['roofline_share']:.0%}",
    "peak MiB (peer, ours)": lambda one: (
        f"{one['peak_mib']['peer']:,.0f}, {one['peak_mib']['ours']:,.0f}"
    ),
}


if __name__ == "__main__":
    sys.exit(exit_status(main))
