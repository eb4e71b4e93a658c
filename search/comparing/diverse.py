"""Choosing trials that err on different images, among those that are about equally good.

Members of an ensemble help one another where their errors differ (Krogh and Vedelsby 1995). The
best trials of a search are often neighbours that fail on the same images.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from commands.errors import UserError
from search.files.artifacts import Artifacts
from search.files.predictions import FILE, Predictions, read_predictions

N_STANDARD_ERRORS = 2
"""Below the best accuracy p, of sqrt(p (1 - p) / n) each: what n images can hardly tell apart."""
RULE = (
    f"The first is the best trial. Candidates for the others are within {N_STANDARD_ERRORS} "
    "standard errors, sqrt(p (1 - p) / n), of its validation accuracy p on n images. Each next "
    "one is the candidate whose misclassified images overlap least with those of the trials "
    "chosen before: the lowest mean Jaccard index, of equal ones the better trial. When "
    "candidates run out, the next best follow."
)

Wrong = npt.NDArray[np.bool_]
"""Which images a trial misclassified, [N]."""


def diverse_trials(
    ranked: Sequence[FrozenTrial], n_top: int, artifacts: Artifacts, say: Callable[[str], None]
) -> list[FrozenTrial]:
    """Return the best trial and others that err elsewhere, in the order of choice.

    Trials whose predictions are missing or damaged are told, and come in by rank alone. Raises
    `UserError` if none can be read.

    Args:
        ranked: different complete trials, best first.
    """
    wrong, n_candidates, faults = _read(ranked, artifacts)
    if not wrong:
        reasons = "; ".join(faults)
        raise UserError(
            f"--artifacts {artifacts.folder}: without validation probabilities no trial is "
            f"--diverse: {reasons}; give search.run's --artifacts, or --top alone"
        )
    for reason, numbers in faults.items():
        say(f"taken by rank alone, {reason}: trial {', '.join(map(str, numbers))}")
    chosen = choose(wrong, n_candidates, len(ranked), n_top)
    say(
        f"chosen among {n_candidates} trials within {N_STANDARD_ERRORS} standard errors of the "
        f"best; errors overlap by {_mean_overlap(wrong, chosen)} on average, "
        f"those of the first by rank by {_mean_overlap(wrong, range(len(chosen)))}"
    )
    return [ranked[rank] for rank in chosen]


def choose(wrong: Mapping[int, Wrong], n_candidates: int, n_ranked: int, n_top: int) -> list[int]:
    """Return ranks, counted from 0, in the order of choice: see `RULE`.

    Args:
        wrong: by rank; a candidate that is not in it comes in by rank alone.
        n_candidates: they are the first ranks.
    """
    chosen = [0]
    left = [rank for rank in range(1, n_candidates) if rank in wrong]
    known = [rank for rank in chosen if rank in wrong]
    while left and len(chosen) < n_top:
        overlaps = {
            rank: float(np.mean([overlap(wrong[rank], wrong[other]) for other in known] or [0.0]))
            for rank in left
        }
        following = min(left, key=lambda rank: (overlaps[rank], rank))
        left.remove(following)
        chosen.append(following)
        known.append(following)
    others = [rank for rank in range(n_ranked) if rank not in chosen]
    return (chosen + others)[:n_top]


def overlap(first: Wrong, second: Wrong) -> float:
    """Return the Jaccard index of two sets: shared elements over all; 1 if both are empty."""
    n_all = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / n_all) if n_all else 1.0


def _read(
    ranked: Sequence[FrozenTrial], artifacts: Artifacts
) -> tuple[dict[int, Wrong], int, dict[str, list[int]]]:
    """Return who erred where, how many candidates there are, and what could not be read.

    The number of images, and with it the standard error, is known from the first file on.
    """
    wrong: dict[int, Wrong] = {}
    faults: dict[str, list[int]] = defaultdict(list)
    first: Predictions | None = None
    lowest = -math.inf
    for rank, trial in enumerate(ranked):
        if _accuracy(trial) < lowest:
            break
        try:
            predictions = _predictions(trial, artifacts, first)
        except ValueError as error:
            faults[str(error)].append(trial.number)
            continue
        wrong[rank] = predictions.is_wrong
        if first is None:
            first, lowest = (
                predictions,
                lowest_candidate(_accuracy(ranked[0]), len(predictions.labels)),
            )
    n_candidates = sum(_accuracy(trial) >= lowest for trial in ranked)
    return wrong, n_candidates, faults


def _predictions(
    trial: FrozenTrial, artifacts: Artifacts, first: Predictions | None
) -> Predictions:
    content = artifacts.read(trial, FILE)
    if content is None:
        raise ValueError(f"no {FILE} is kept")
    try:
        predictions = read_predictions(content)
    except ValueError as error:
        raise ValueError(f"{FILE} is damaged ({error})") from error
    if first is not None and not np.array_equal(predictions.labels, first.labels):
        raise ValueError(f"{FILE} is of other images or labels than that of a better trial")
    return predictions


def lowest_candidate(best: float, n_images: int) -> float:
    """Return the accuracy from which a trial is a candidate; a best of 1 errs on half an image."""
    share = min(best, 1 - 0.5 / n_images)
    return best - N_STANDARD_ERRORS * math.sqrt(share * (1 - share) / n_images)


def _accuracy(trial: FrozenTrial) -> float:
    assert trial.value is not None, "complete trials have a value"
    return trial.value


def _mean_overlap(wrong: Mapping[int, Wrong], ranks: Iterable[int]) -> str:
    pairs = combinations([wrong[rank] for rank in ranks if rank in wrong], 2)
    overlaps = [overlap(one, other) for one, other in pairs]
    return f"{np.mean(overlaps):.2f}" if overlaps else "-"
