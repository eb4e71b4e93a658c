"""`python -m benchmarks.cohort`: how much faster T networks train together than one alone.

Epochs of T networks of one shape, validation included, by several techniques, on images of
MAMe's shape made on the device (or on real ones); images/s are summed over the networks. With
--study also a whole study of default settings on the same images.

On a CPU a toy will do: --images 256 --image-sizes 32 --sizes 1 2 --epochs 1
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from benchmarks.experiments import AUGMENTATION, EXPERIMENTS
from benchmarks.report import Result, make_parser, measured, publish, verdict
from benchmarks.studies import run_study
from benchmarks.synthetic import N_TRAIN, N_VAL, mame_shaped
from benchmarks.techniques import LONGEST_MESSAGE, TECHNIQUES, Technique, measure
from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device, make_current
from mame_cnn.families.network import infeasible
from mame_cnn.inputs.device_data import to_device
from mame_cnn.memory.free_memory import give_back
from mame_cnn.precision import choose_precision
from mame_cnn.trials.trainer import ImageTrainer

GOAL_EPOCH_S, GOAL_RATIO, GOAL_STUDY_S = 0.35, 5.0, 300.0
_SETTING = ("image_size", "experiment", "batch_size")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all combinations, print them beside the goals, and run the study if asked."""
    options = _parser().parse_args(argv)
    device = choose_device(options.device)
    make_current(device)  # streams, graphs and peak memory are the current GPU's
    lacking = {name: _lacking(TECHNIQUES[name], device) for name in options.techniques}
    techniques = [name for name, reason in lacking.items() if reason is None]
    if options.measure:
        [image_size] = options.image_sizes
        [result] = _results_at(image_size, techniques, options, device)
        print(json.dumps(result))
        return 0
    results = [
        result
        for image_size in options.image_sizes
        for result in _results_at(image_size, techniques, options, device)
    ]
    skipped = [f"{name}: skipped, {reason}" for name, reason in lacking.items() if reason]
    add_ratios(results)
    study = _study(options, device) if options.study else None
    publish(
        results,
        device=device,
        title=f"T networks trained together on {options.data}, medians of {options.epochs} epochs",
        columns={
            "px": lambda one: str(one["image_size"]),
            "experiment": lambda one: one["experiment"],
            "batch": lambda one: str(one["batch_size"]),
            "technique": lambda one: one["technique"],
            "T": lambda one: str(one["size"]),
            "images/s": lambda one: _figure(one, "images_per_s", ",.0f"),
            "s an epoch": lambda one: _figure(one, "epoch_s", ".3f"),
            "to T = 1": lambda one: _figure(one, "ratio", ".2f"),
            "to best T = 1": lambda one: _figure(one, "ratio_to_best", ".2f"),
            "peak MiB": lambda one: _figure(one, "peak_mib", ",.0f"),
            "failure": lambda one: one["failure"] or "",
        },
        lines=[*skipped, *_verdicts(results, study)],
        path=options.json,
        study=study,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("cohort", __doc__)
    add = parser.add_argument
    positive = whole(at_least=1)
    add("--data", default="synthetic", metavar="synthetic|DIR|digits")
    add("--device", default="auto")
    add("--images", type=positive, default=N_TRAIN, metavar="N", help="synthetic, for training")
    add("--image-sizes", type=positive, nargs="+", default=[256, 64], metavar="PX")
    add("--experiments", nargs="+", default=[*EXPERIMENTS], choices=[*EXPERIMENTS])
    add("--batch-sizes", type=positive, nargs="+", default=[128], metavar="N")
    add("--sizes", type=positive, nargs="+", default=[1, 2, 4, 8, 16], metavar="T")
    add("--techniques", nargs="+", default=[*TECHNIQUES], choices=[*TECHNIQUES])
    add("--epochs", type=positive, default=3, metavar="E", help="timed, after one that is not")
    add("--study", action="store_true", help="also time a study of default settings")
    add("--space", type=Path, default=Path("spaces/regularization.py"), metavar="SPACE.py")
    add("--study-trials", type=positive, default=50, metavar="N")
    add("--measure", action="store_true", help=argparse.SUPPRESS)
    add("--study-epochs", type=positive, default=30, metavar="E")
    return parser


def _dataset(options: argparse.Namespace, image_size: int, device: torch.device) -> Dataset:
    if options.data != "synthetic":
        return load_dataset(options.data, image_size)
    n_val = max(1, options.images * N_VAL // N_TRAIN)
    return mame_shaped(image_size, device, n_train=options.images, n_val=n_val)


def _lacking(technique: Technique, device: torch.device) -> str | None:
    """Say what the device lacks for a technique, or return None."""
    if technique.needs_gpu and device.type != "cuda":
        return "it needs a CUDA device"
    try:
        choose_precision(technique.precision, device)
    except UserError as error:
        return str(error)
    return None


def _results_at(
    image_size: int, techniques: Sequence[str], options: argparse.Namespace, device: torch.device
) -> Iterator[Result]:
    """Measure all combinations on images of one size, the numbers of networks in turn."""
    dataset = _dataset(options, image_size, device)
    resident = to_device(dataset, device)
    for experiment, batch_size, name, size in product(
        options.experiments, options.batch_sizes, techniques, options.sizes
    ):
        configs = _configs(experiment, batch_size, size, dataset)
        if infeasible(configs[0].network, image_size):
            continue
        setting = {
            "image_size": image_size,
            "experiment": experiment,
            "batch_size": batch_size,
            "technique": name,
            "size": size,
        }
        technique = TECHNIQUES[name]
        if technique.needs_gpu and not options.measure:
            result = {**setting, **_measured_apart(setting, options, device)}
        else:
            data = replace(resident, precision=choose_precision(technique.precision, device))
            result = {**setting, **measure(technique, configs, data, options.epochs)}
        if not options.measure:
            print({**result, "epochs_s": None}, file=sys.stderr, flush=True)
        yield result


def _measured_apart(setting: Result, options: argparse.Namespace, device: torch.device) -> Result:
    """Measure in a process of its own: after a capture that fails, a process may measure wrong.

    Torch 2.11's allocator may then stay in it: https://github.com/pytorch/pytorch/issues/180395.
    """
    given = {
        "--data": options.data,
        "--device": device,
        "--images": options.images,
        "--epochs": options.epochs,
        "--image-sizes": setting["image_size"],
        "--experiments": setting["experiment"],
        "--batch-sizes": setting["batch_size"],
        "--techniques": setting["technique"],
        "--sizes": setting["size"],
    }
    words = [word for pair in given.items() for word in pair]
    gc.collect()
    give_back(device)
    try:
        found: Result = measured("benchmarks.cohort", "--measure", *words)
    except UserError as error:
        return {"failure": str(error)[:LONGEST_MESSAGE]}
    return found


def _configs(experiment: str, batch_size: int, size: int, dataset: Dataset) -> list[Config]:
    """Return configurations that differ in their seeds and learning rates."""
    params = {**EXPERIMENTS[experiment].params(), **AUGMENTATION, "batch_size": batch_size}
    return [
        config_from_params(
            {**params, "lr": float(params["lr"]) * (1 + slot / 16)},
            source=dataset.source,
            image_size=dataset.image_size,
            epochs=1000,
            seed=slot,
            data_seed=0,
        )
        for slot in range(size)
    ]


def add_ratios(results: Sequence[Result]) -> None:
    """Add how many times the images/s of one network T networks reach.

    `ratio` is to one network by the same technique, `ratio_to_best` to one by the best of them.
    """
    for result in results:
        singles = {
            one["technique"]: one["images_per_s"]
            for one in results
            if one["size"] == 1
            and one["failure"] is None
            and all(one[name] == result[name] for name in _SETTING)
        }
        if result["failure"] is None and singles:
            rate = result["images_per_s"]
            result["ratio_to_best"] = rate / max(singles.values())
            if result["technique"] in singles:
                result["ratio"] = rate / singles[result["technique"]]


def _study(options: argparse.Namespace, device: torch.device) -> Result:
    """Time a study of default settings on the first of the image sizes."""
    trainer = ImageTrainer(
        _dataset(options, options.image_sizes[0], device),
        epochs=options.study_epochs,
        data_seed=0,
        device=device,
        precision=choose_precision("auto", device),
    )
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.perf_counter()
        outcome = run_study(
            trainer,
            options.space,
            Path(folder) / "journal.log",
            total=options.study_trials,
            cohort=None if device.type == "cuda" else 1,  # as `search.run` chooses
        )
        seconds = time.perf_counter() - started_s
    standing = outcome.standing
    return {
        "space": str(options.space),
        "image_size": options.image_sizes[0],
        "trials": standing.n_ended,
        "complete": standing.n_complete,
        "pruned": standing.n_pruned,
        "failed": standing.n_failed,
        "epochs": options.study_epochs,
        "seconds": seconds,
    }


def _verdicts(results: Sequence[Result], study: Result | None) -> Iterator[str]:
    """Say of each goal that was measured whether it is reached."""
    done = [one for one in results if one["failure"] is None]
    epochs_s = [
        one["epoch_s"]
        for one in done
        if (one["experiment"], one["image_size"], one["size"]) == ("7", 256, 1)
    ]
    if epochs_s:
        name = "an epoch of experiment 7 at 256 px, best technique"
        yield verdict(name, min(epochs_s), GOAL_EPOCH_S, unit=" s")
    for experiment in EXPERIMENTS:
        at_64 = [one for one in done if (one["experiment"], one["image_size"]) == (experiment, 64)]
        for key, to in (("ratio", "same technique"), ("ratio_to_best", "best technique")):
            ratios = [one[key] for one in at_64 if key in one]
            if ratios:
                name = f"experiment {experiment} at 64 px, T networks to one by the {to}"
                yield verdict(name, max(ratios), GOAL_RATIO, unit="x", is_most=False)
    if study is not None:
        name = f"a study of {study['trials']} trials x {study['epochs']} epochs"
        yield verdict(name, study["seconds"], GOAL_STUDY_S, unit=" s")


def _figure(result: Result, name: str, form: str) -> str:
    value = result.get(name)
    return "-" if value is None else format(value, form)


if __name__ == "__main__":
    sys.exit(exit_status(main))
