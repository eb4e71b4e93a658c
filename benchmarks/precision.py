"""`python -m benchmarks.precision`: does training in bfloat16 cost accuracy?

The same configuration trained from the same seeds in both precisions, in turn. A seed decides
first weights, dropout, order and augmentation, so the accuracies are paired by it. The means
count as equal if they differ by no more than the larger of their two standard errors; the
standard error of the paired difference, which is the sharper test, is printed beside them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, sqrt
from statistics import mean, median, stdev

from benchmarks.experiments import AUGMENTATION
from benchmarks.report import Result, make_parser, publish
from commands.arguments import whole
from commands.errors import exit_status
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.inputs.device_data import DeviceData, to_device
from mame_cnn.precision import choose_precision
from spaces import regularization

PRECISIONS = ("float32", "bfloat16")
MEASURES = ("best epoch", "last epoch", "last quarter")


def main(argv: Sequence[str] | None = None) -> int:
    """Train all seeds in both precisions and compare the accuracies."""
    options = _parser().parse_args(argv)
    device = choose_device(options.device)
    precisions = {name: choose_precision(name, device) for name in PRECISIONS}
    dataset = load_dataset(options.data, options.image_size)
    data = to_device(dataset, device)
    runs: list[Result] = []
    for seed in range(options.seeds):
        config = _config(dataset, seed, options.epochs)
        for precision in PRECISIONS:
            history = _train(config, replace(data, precision=precisions[precision]))
            runs.append({"seed": seed, "precision": precision, **_figures(history)})
            shown = {name: runs[-1][name] for name in ("seed", "precision", *MEASURES)}
            print(shown, file=sys.stderr, flush=True)
    results = [
        {"measure": measure, **compare(*(_column(runs, p, measure) for p in PRECISIONS))}
        for measure in MEASURES
    ]
    float32, bfloat16 = (median(_column(runs, p, "images_per_s")) for p in PRECISIONS)
    publish(
        results,
        device=device,
        title=f"validation accuracy on {options.data}, {options.seeds} seeds, in %",
        columns={
            "of the": lambda one: one["measure"],
            "float32": lambda one: _percent(one["float32"], one["float32_error"]),
            "bfloat16": lambda one: _percent(one["bfloat16"], one["bfloat16_error"]),
            "difference (paired)": lambda one: _percent(one["difference"], one["paired_error"]),
            "within one standard error": lambda one: "yes" if one["is_within"] else "no",
        },
        lines=[f"images/s: float32 {float32:,.0f}, bfloat16 {bfloat16:,.0f}"],
        path=options.json,
        data=dataset.digest,
        image_size=dataset.image_size,
        epochs=options.epochs,
        runs=runs,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("precision", __doc__)
    add = parser.add_argument
    add("--data", default="digits", metavar="DIR|digits")
    add("--image-size", type=whole(at_least=1), metavar="PX", help="default: 256; 32 for digits")
    add("--device", default="auto")
    add("--seeds", type=whole(at_least=2), default=10, metavar="K")
    add("--epochs", type=whole(at_least=1), default=20, metavar="E")
    return parser


def _config(dataset: Dataset, seed: int, epochs: int) -> Config:
    """Return the regularisation space's baseline, with augmentation for photographs."""
    space = regularization.SPACE
    augmentation = {} if dataset.source == "digits" else AUGMENTATION
    return config_from_params(
        {**space.fixed, **space.baselines[0], **augmentation},
        source=dataset.source,
        image_size=dataset.image_size,
        epochs=epochs,
        seed=seed,
        data_seed=seed,
    )


def _train(config: Config, data: DeviceData) -> list[EpochResult]:
    """Train one network to its end, early stopping included."""
    cohort = Cohort([config], [0], data)
    history = cohort.train_epoch()
    while not (history[-1].is_finished or history[-1].failure):
        history += cohort.train_epoch()
    return history


def _figures(history: Sequence[EpochResult]) -> Result:
    """Return the accuracies of a training; one that diverged keeps those until then.

    The mean of the last quarter of the epochs is steadier than any one epoch.
    """
    accuracies = [result.val_accuracy for result in history]
    return {
        "best epoch": max(accuracies),
        "last epoch": accuracies[-1],
        "last quarter": mean(accuracies[-ceil(len(accuracies) / 4) :]),
        "failure": history[-1].failure,
        "images_per_s": median(result.images_per_s for result in history),
        "val_accuracies": accuracies,
        "val_losses": [result.val_loss for result in history],
    }


def _column(runs: Sequence[Result], precision: str, name: str) -> list[float]:
    return [run[name] for run in runs if run["precision"] == precision]


def compare(float32: Sequence[float], bfloat16: Sequence[float]) -> Result:
    """Return means, their standard errors, and the paired difference of accuracies by seed."""
    differences = [b - a for a, b in zip(float32, bfloat16, strict=True)]
    errors = standard_error(float32), standard_error(bfloat16)
    difference = mean(differences)
    return {
        "float32": mean(float32),
        "float32_error": errors[0],
        "bfloat16": mean(bfloat16),
        "bfloat16_error": errors[1],
        "difference": difference,
        "paired_error": standard_error(differences),
        "is_within": abs(difference) <= max(errors),
    }


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    return stdev(values) / sqrt(len(values))


def _percent(share: float, error: float) -> str:
    return f"{100 * share:.2f} +- {100 * error:.2f}"


if __name__ == "__main__":
    sys.exit(exit_status(main))
