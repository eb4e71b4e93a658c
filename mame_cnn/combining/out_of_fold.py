"""Combiners compared out of fold: none profits from the images that it was fitted on.

Repeated stratified cross-validation over the validation images; every combiner gets the same
folds, so differences are paired. The best member is itself chosen on the other folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from commands.errors import UserError
from mame_cnn.combining.bootstrap import corrected_accuracy, interval, resamples
from mame_cnn.combining.combiners import COMBINERS
from mame_cnn.combining.folds import stratified_folds
from mame_cnn.combining.members import Labels, Probs, checked
from mame_cnn.combining.scoring import best_first, is_right, losses

N_FOLDS = 5
N_REPEATS = 5


@dataclass(frozen=True)
class Row:
    """A combiner out of fold; figures are means over repeats.

    Args:
        gain: in accuracy, over `single`.
        gain_low: the paired 95 % bootstrap interval of the gain begins here.
    """

    name: str
    accuracy: float
    log_loss: float
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Combiners out of fold, simplest first.

    Args:
        probs: of each combiner, [N, K], the mean over repeats. A mean of several fits scores a
            little better than one fit does, so a row's accuracy is not taken from it.
        right: of each combiner, how often it is right on each image, [C, N]: means over repeats.
        losses: likewise, log loss.
        winner: highest accuracy, ties by log loss, then the simpler.
        n_folds: fewer than 5 where a class has fewer images.
    """

    rows: tuple[Row, ...]
    probs: Mapping[str, Probs]
    right: Probs
    losses: Probs
    winner: str
    n_folds: int
    n_repeats: int

    def row(self, name: str) -> Row:
        """Return a combiner's row."""
        return next(row for row in self.rows if row.name == name)

    @property
    def beats_single(self) -> bool:
        """Whether the winner is right more often than the best member; not, how surely."""
        return self.row(self.winner).gain > 0


def corrected_for_choosing(
    comparisons: Sequence[Comparison], name: str | None, *, seed: int
) -> float:
    """Return the accuracy of the best row of all comparisons, corrected for being the best.

    Args:
        comparisons: of the same images, simplest first.
        name: choose among the rows of this combiner; None: among all.
    """
    rows = [
        [k for k, row in enumerate(one.rows) if name in (None, row.name)] for one in comparisons
    ]
    right, loss = (
        np.concatenate(
            [getattr(one, field)[own] for one, own in zip(comparisons, rows, strict=True)]
        )
        for field in ("right", "losses")
    )
    return corrected_accuracy(right, loss, resamples(right.shape[1], seed))


def compare(
    probs: Probs,
    labels: Labels,
    *,
    seed: int,
    names: Sequence[str] = tuple(COMBINERS),
    classes: Sequence[str] | None = None,
) -> Comparison:
    """Return how combiners do on images that they were not fitted on.

    Raises `UserError` for probabilities that are none, and where a class has one image or none.

    Args:
        probs: [M, N, K].
        names: which combiners; `single` is always among them.
        classes: what to call classes in messages; by number where not given.
    """
    probs, labels = checked(probs, labels)
    chosen = _chosen(names)
    n_folds = folds_of(labels, probs.shape[2], classes)
    # Matrices are small: BLAS threads wait for one another longer than they work.
    with threadpool_limits(1, "blas"):
        repeats = [
            _one_repeat(probs, labels, chosen, n_folds, (seed, repeat))
            for repeat in range(N_REPEATS)
        ]
    by_repeat = np.stack(repeats)  # [R, C, N, K]
    right = is_right(by_repeat, labels).mean(0)  # [C, N]
    loss = losses(by_repeat, labels).mean(0)
    counts = resamples(len(labels), seed)
    rows = []
    for name, hits, nats in zip(chosen, right, loss, strict=True):
        gains = hits - right[0]
        low, high = interval(gains, counts)
        rows.append(
            Row(name, float(hits.mean()), float(nats.mean()), float(gains.mean()), low, high)
        )
    best = best_first(np.rint(right.sum(1) * N_REPEATS), loss.mean(1))[0]
    means = by_repeat.mean(0)
    return Comparison(
        rows=tuple(rows),
        probs=dict(zip(chosen, means, strict=True)),
        right=right,
        losses=loss,
        winner=chosen[best],
        n_folds=n_folds,
        n_repeats=N_REPEATS,
    )


def folds_of(labels: Labels, n_classes: int, classes: Sequence[str] | None = None) -> int:
    """Return in how many folds these images can be compared.

    Raises `UserError` naming every class that has one image or none.
    """
    counts = np.bincount(labels, minlength=n_classes)
    if few := [k for k in range(n_classes) if counts[k] < 2]:
        found = ", ".join(
            f"{classes[k] if classes else f'class {k}'} has {counts[k]}" for k in few
        )
        raise UserError(f"every class needs at least 2 validation images: {found}")
    return int(min(N_FOLDS, counts.min()))


def _chosen(names: Sequence[str]) -> list[str]:
    if unknown := sorted(set(names) - set(COMBINERS)):
        raise UserError(
            f"no such combiner: {', '.join(unknown)}; there are {', '.join(COMBINERS)}"
        )
    return [name for name in COMBINERS if name in {"single", *names}]


def _one_repeat(
    probs: Probs, labels: Labels, names: Sequence[str], n_folds: int, seeds: tuple[int, int]
) -> Probs:
    """Return [C, N, K]: every image's probabilities by combinations fitted without its fold."""
    folds = stratified_folds(labels, n_folds, np.random.default_rng(seeds))
    out_of_fold = np.empty((len(names), *probs.shape[1:]))
    for fold in range(n_folds):
        out = folds == fold
        inside, outside = probs[:, ~out], probs[:, out]
        for c, name in enumerate(names):
            # Seeded by name, so that a figure does not depend on which others are asked for.
            rng = np.random.default_rng((*seeds, fold, *name.encode()))
            out_of_fold[c, out] = COMBINERS[name](inside, labels[~out], rng).combine(outside)
    return out_of_fold
