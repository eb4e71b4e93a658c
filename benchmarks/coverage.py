"""`python -m benchmarks.coverage`: do the intervals cover, and is the winner's score unflattered?

Searches are made up whose true accuracies are known. An image has a difficulty that all trials
share: trial t has it right if sqrt(r) u + sqrt(1 - r) e_t is below a threshold, u and e_t being
normal. r = 0 makes trials independent; networks of one family differ on 15 to 25 % of the images,
as with r = 0.6 to 0.8. All figures are made by the functions that `search.compare` uses.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import norm

from benchmarks.report import Result, make_parser, publish, verdict
from commands.arguments import whole
from commands.errors import exit_status
from search.statistics.bootstrap import Bootstrap, bootstrap
from search.statistics.holm import holm
from search.statistics.interval import LEVEL
from search.statistics.mcnemar import mcnemar
from search.statistics.wilson import wilson
from search.statistics.winner import corrected_accuracy, corrected_gain

N_IMAGES = (200, 500, 1450)
CORRELATIONS = (0.0, 0.5, 0.8)
SPREADS = (0.0, 0.02)
"""Standard deviations of true accuracies among a study's trials: equal ones, and 2 points."""
N_TRIALS = 50
N_EARLIER = 5
"""Trials of the earlier of two phases; the later one has the others."""
ACCURACY = 0.7
"""What trials reach on average; one standard error of 1,450 images is then 1.2 points."""
_N_STUDIES_AT_ONCE = 10
_MOST_OFF_COVERAGE = 0.015
_MOST_BIAS = 0.003

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """Studies that are alike but for chance."""

    n_images: int
    correlation: float
    spread: float
    n_trials: int = N_TRIALS


@dataclass(frozen=True)
class Measured:
    """What was found in one study, beside the truth."""

    is_single_covered: float
    """Share of trials whose true accuracy is in its interval."""
    is_pair_covered: float
    """Share of pairs of trials named beforehand, likewise of the difference."""
    discordance: float
    """Share of images that one alone of two trials has right."""
    raw_bias: float
    """Accuracy of the best trial minus its true one."""
    corrected_bias: float
    is_corrected_covered: float
    is_best_kept: float
    """Whether a truly best trial is among those that cannot be told from the best."""
    is_any_told: float
    """Whether any trial is told from the best."""
    raw_gain_bias: float
    """Best of the many later trials minus best of the few earlier ones, minus the truth."""
    corrected_gain_bias: float
    is_raw_gain_covered: float
    is_gain_covered: float
    """Whether the true difference of the two bests is in the corrected interval."""


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate every scenario and print how often intervals cover, and the biases."""
    options = _parser().parse_args(argv)
    results: list[Result] = []
    for n_images, correlation, spread in product(options.images, CORRELATIONS, SPREADS):
        scenario = Scenario(n_images, correlation, spread)
        results.append(simulate(scenario, options.studies, options.seed))
        print(results[-1], file=sys.stderr, flush=True)
    publish(
        results,
        device=torch.device("cpu"),
        title=f"{options.studies} made-up studies of {N_TRIALS} trials a row; % and points",
        columns={
            "images": lambda one: f"{one['n_images']:,}",
            "r": lambda one: f"{one['correlation']:g}",
            "spread": lambda one: f"{100 * one['spread']:g}",
            "differ": lambda one: f"{100 * one['discordance']:.0f}",
            "accuracy": lambda one: _percent(one["is_single_covered"]),
            "difference": lambda one: _percent(one["is_pair_covered"]),
            "raw best": lambda one: _points(one["raw_bias"]),
            "corrected": lambda one: _points(one["corrected_bias"]),
            "its interval": lambda one: _percent(one["is_corrected_covered"]),
            "best kept": lambda one: _percent(one["is_best_kept"]),
            "any told": lambda one: _percent(one["is_any_told"]),
            "raw gain": lambda one: _points(one["raw_gain_bias"]),
            "corrected gain": lambda one: _points(one["corrected_gain_bias"]),
            "gain's interval": lambda one: _percent(one["is_gain_covered"]),
        },
        lines=verdicts(results),
        path=options.json,
        seed=options.seed,
    )
    return 0


def simulate(scenario: Scenario, n_studies: int, seed: int) -> Result:
    """Return the means over studies, and the standard errors of the biases."""
    random = np.random.default_rng((seed, scenario.n_images, int(100 * scenario.correlation)))
    found: list[Measured] = []
    while len(found) < n_studies:
        found += _measure_some(scenario, min(_N_STUDIES_AT_ONCE, n_studies - len(found)), random)
    figures = [asdict(one) for one in found]
    means = {name: float(np.mean([one[name] for one in figures])) for name in figures[0]}
    errors = {
        f"{name}_error": float(np.std([one[name] for one in figures]) / np.sqrt(n_studies))
        for name in figures[0]
        if name.endswith("_bias")
    }
    return {**asdict(scenario), "n_studies": n_studies, **means, **errors}


def verdicts(results: Sequence[Result]) -> list[str]:
    """Say whether all scenarios keep what is promised."""
    off = [
        abs(one[name] - LEVEL)
        for one in results
        for name in ("is_single_covered", "is_pair_covered")
    ]
    equal = [one for one in results if one["spread"] == 0]
    bias = [abs(one["corrected_bias"]) for one in equal]
    return [
        verdict("coverage is off by, points", 100 * max(off), 100 * _MOST_OFF_COVERAGE),
        verdict(
            "bias of the corrected score, equal trials, points", 100 * max(bias), 100 * _MOST_BIAS
        ),
        *(
            f"{one['n_images']:,} images, r = {one['correlation']:g}: the best of {N_TRIALS} "
            f"equal trials looks {100 * one['raw_bias']:.1f} points better than it is"
            for one in equal
        ),
    ]


def _measure_some(
    scenario: Scenario, n_studies: int, random: np.random.Generator
) -> Iterator[Measured]:
    """Make up studies and measure each; all share the resamples, as they would in truth."""
    truths = ACCURACY + scenario.spread * random.standard_normal((n_studies, scenario.n_trials))
    rights = made_up(truths, scenario.n_images, scenario.correlation, random)
    all_of_them = bootstrap(rights.reshape(-1, scenario.n_images), seed=0)
    for number, (truth, right) in enumerate(zip(truths, rights, strict=True)):
        columns = slice(number * scenario.n_trials, (number + 1) * scenario.n_trials)
        own = replace(
            all_of_them,
            inside=all_of_them.inside[:, columns],
            outside=all_of_them.outside[:, columns],
        )
        yield _measure(truth, right, own)


def made_up(
    truths: Floats, n_images: int, correlation: float, random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return [S, T, N] which answers are right, for true accuracies [S, T]."""
    n_studies, n_trials = truths.shape
    shared = random.standard_normal((n_studies, 1, n_images), dtype=np.float32)
    own = random.standard_normal((n_studies, n_trials, n_images), dtype=np.float32)
    difficulty = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    is_right: npt.NDArray[np.bool_] = difficulty < norm.ppf(truths)[..., None]
    return is_right


def _measure(truth: Floats, right: npt.NDArray[np.bool_], own: Bootstrap) -> Measured:
    n_trials, n_images = right.shape
    accuracies = right.mean(1)
    best = int(accuracies.argmax())
    corrected = corrected_accuracy(own, range(n_trials))
    pairs = [(t, t + 1) for t in range(0, n_trials - 1, 2)]
    others = [t for t in range(n_trials) if t != best]
    p_values = holm(
        mcnemar((right[others] & ~right[best]).sum(1), (right[best] & ~right[others]).sum(1))
    )
    kept = {best} | {t for t, p in zip(others, p_values, strict=True) if p >= 1 - LEVEL}
    return Measured(
        is_single_covered=_mean(
            truth[t] in wilson(accuracies[t], n_images) for t in range(n_trials)
        ),
        is_pair_covered=_mean(truth[i] - truth[j] in own.difference(i, j) for i, j in pairs),
        discordance=_mean((right[i] ^ right[j]).mean() for i, j in pairs),
        raw_bias=accuracies[best] - truth[best],
        corrected_bias=corrected - truth[best],
        is_corrected_covered=float(truth[best] in wilson(corrected, n_images)),
        is_best_kept=float(int(truth.argmax()) in kept),
        is_any_told=float(len(kept) < n_trials),
        **_phases(truth, accuracies, own),
    )


def _phases(truth: Floats, accuracies: Floats, own: Bootstrap) -> dict[str, Any]:
    """Take the first trials for one phase and the others for a later one."""
    earlier, later = range(N_EARLIER), range(N_EARLIER, len(truth))
    one, other = (max(phase, key=lambda t: accuracies[t]) for phase in (earlier, later))
    raw, true = accuracies[other] - accuracies[one], truth[other] - truth[one]
    interval = own.difference(other, one)
    corrected = corrected_gain(own, later, earlier)
    return {
        "raw_gain_bias": raw - true,
        "corrected_gain_bias": corrected - true,
        "is_raw_gain_covered": float(true in interval),
        "is_gain_covered": float(true in interval.moved(corrected - raw)),
    }


def _mean(values: Iterator[Any]) -> float:
    return float(np.mean(list(values)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("coverage", __doc__)
    add = parser.add_argument
    add(
        "--studies",
        type=whole(at_least=1),
        default=1000,
        metavar="S",
        help="a scenario; %(default)s",
    )
    add("--images", type=whole(at_least=20), nargs="+", default=list(N_IMAGES), metavar="N")
    add("--seed", type=whole(at_least=0), default=0)
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
