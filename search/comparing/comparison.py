"""Comparing trials by their answers for the same validation images.

Accuracies are those of the kept predictions. What of it may be believed: the interval of an
accuracy and of a difference is for trials named beforehand; the best trial was not, and its
corrected accuracy says what that is worth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from search.comparing.comparable import Predicted, comparable
from search.statistics.bootstrap import Bootstrap, bootstrap
from search.statistics.holm import holm
from search.statistics.interval import LEVEL
from search.statistics.mcnemar import mcnemar
from search.statistics.sizes import images_needed, seeds_needed
from search.statistics.wilson import wilson
from search.statistics.winner import corrected_accuracy, corrected_gain

__all__ = ["Comparison", "Pair", "Predicted", "Row", "compare"]

Right = npt.NDArray[np.bool_]
"""Which images trials have right, [T, N]."""


@dataclass(frozen=True)
class Row:
    """A trial beside the best; shares are in [0, 1]."""

    study: str
    number: int
    accuracy: float
    low: float
    """Of the accuracy's 95 % interval (Wilson)."""
    high: float
    is_in_best_set: bool
    """Whether it cannot be told from the best at 5 %: see `Comparison.best_set`."""
    p_value: float
    """Of McNemar's exact test against the best, adjusted for the number of trials (Holm)."""
    difference: float
    """To the best, of accuracies: 0 or less."""
    difference_low: float
    """Of the difference's paired 95 % interval (bootstrap over images)."""
    difference_high: float


@dataclass(frozen=True)
class Pair:
    """A study beside an earlier one: the best of each on the same images."""

    earlier: str
    later: str
    n_earlier: int
    """Trials that the earlier study's best was chosen from."""
    n_later: int
    earlier_best: int
    """The trial's number."""
    later_best: int
    difference: float
    """Accuracy of the later study's best minus that of the earlier one's."""
    low: float
    """Of its paired 95 % interval."""
    high: float
    p_value: float
    """McNemar's exact test of the two, as if they had been named beforehand."""
    corrected: float
    """The difference corrected for both having been chosen, from however many trials."""
    corrected_low: float
    """The paired interval, moved there; it covers 91 to 99 % in `benchmarks.coverage`."""
    corrected_high: float

    @property
    def is_better(self) -> bool:
        """Whether the later study did better, by the corrected interval and the bests' test."""
        return self.corrected_low > 0 and self.p_value < 1 - LEVEL

    @property
    def is_worse(self) -> bool:
        """Whether the later study did worse, likewise."""
        return self.corrected_high < 0 and self.p_value < 1 - LEVEL


@dataclass(frozen=True)
class Comparison:
    """Trials ranked, and which of their differences are real; shares are in [0, 1]."""

    rows: tuple[Row, ...]
    """Best first; of equal ones the earlier."""
    n_images: int
    corrected: float
    """The winner's accuracy corrected for having been chosen (Tsamardinos et al. 2018)."""
    corrected_low: float
    """Wilson's interval about it; it covers 91 to 99 % in `benchmarks.coverage`."""
    corrected_high: float
    discordance: float | None
    """Share of images that one alone of the first two has right; None for one trial."""
    images_needed: int | None
    """To tell the first two apart; None where they are equally accurate or there is one."""
    seeds_needed: int | None
    """Of each of the two, scored on these images; None likewise."""
    pairs: tuple[Pair, ...]
    """Every study against each before it, in the order given."""
    notes: tuple[str, ...]
    """Trials left out and why, and what else is to be known."""

    @property
    def best(self) -> Row:
        """The most accurate trial."""
        return self.rows[0]

    @property
    def best_set(self) -> tuple[Row, ...]:
        """The best and those that cannot be told from it.

        With 95 % confidence the truly best trial is among them (Gupta 1965, Hsu 1984): it is
        left out only if some other is better by more than chance, adjusted for their number.
        """
        return tuple(row for row in self.rows if row.is_in_best_set)


def compare(
    trials: Iterable[Predicted], *, seed: int = 0, notes: Sequence[str] = ()
) -> Comparison:
    """Compare complete trials with predictions, also of several studies.

    Raises `UserError` where none can be used, or where studies are of other images or labels.

    Args:
        trials: the studies in their order, the earlier phase first.
        seed: of the bootstrap.
        notes: what is known already of trials left out; kept in front of its own.
    """
    kept, own_notes = comparable(trials)
    # By number: the order of trials within a study must owe nothing to their accuracy.
    studies = list(dict.fromkeys(trial.study for trial in kept))
    kept.sort(key=lambda trial: (studies.index(trial.study), trial.number))
    is_right = np.stack([~trial.predictions.is_wrong for trial in kept])
    n_right = is_right.sum(1)
    n_images = is_right.shape[1]
    bootstrapped = bootstrap(is_right, seed)
    ranks = np.argsort(-n_right, kind="stable")
    corrected = corrected_accuracy(bootstrapped, range(len(kept)))
    interval = wilson(corrected, n_images)
    first_two = _first_two(is_right[ranks[:2]])
    return Comparison(
        rows=_rows(kept, is_right, ranks, bootstrapped),
        n_images=n_images,
        corrected=corrected,
        corrected_low=interval.low,
        corrected_high=interval.high,
        discordance=first_two[0] if first_two else None,
        images_needed=images_needed(first_two[1], first_two[0]) if first_two else None,
        seeds_needed=seeds_needed(first_two[1], first_two[0], n_images) if first_two else None,
        pairs=tuple(_pairs(kept, is_right, studies, bootstrapped)),
        notes=(*notes, *own_notes),
    )


def _rows(
    trials: Sequence[Predicted],
    is_right: Right,
    ranks: npt.NDArray[np.intp],
    bootstrapped: Bootstrap,
) -> tuple[Row, ...]:
    best, others = int(ranks[0]), [int(rank) for rank in ranks[1:]]
    accuracies = is_right.mean(1)
    differences = bootstrapped.differences(over=best)
    p_values = dict(zip(others, holm(_p_values(is_right[others], is_right[best])), strict=True))
    rows = []
    for t in [best, *others]:
        accuracy, p_value = float(accuracies[t]), p_values.get(t, 1.0)
        interval = wilson(accuracy, is_right.shape[1])
        rows.append(
            Row(
                study=trials[t].study,
                number=trials[t].number,
                accuracy=accuracy,
                low=interval.low,
                high=interval.high,
                is_in_best_set=p_value >= 1 - LEVEL,
                p_value=p_value,
                difference=float(accuracies[t] - accuracies[best]),
                difference_low=differences[t].low if t != best else 0.0,
                difference_high=differences[t].high if t != best else 0.0,
            )
        )
    return tuple(rows)


def _pairs(
    trials: Sequence[Predicted], is_right: Right, studies: Sequence[str], bootstrapped: Bootstrap
) -> Iterable[Pair]:
    accuracies = is_right.mean(1)
    of = {
        study: [t for t, trial in enumerate(trials) if trial.study == study] for study in studies
    }
    for earlier, later in combinations(studies, 2):
        best = {study: max(of[study], key=lambda t: (accuracies[t], -t)) for study in of}
        one, other = best[earlier], best[later]
        difference = float(accuracies[other] - accuracies[one])
        interval = bootstrapped.difference(other, one)
        corrected = corrected_gain(bootstrapped, of[later], of[earlier])
        corrected_interval = interval.moved(corrected - difference)
        yield Pair(
            earlier=earlier,
            later=later,
            n_earlier=len(of[earlier]),
            n_later=len(of[later]),
            earlier_best=trials[one].number,
            later_best=trials[other].number,
            difference=difference,
            low=interval.low,
            high=interval.high,
            p_value=float(_p_values(is_right[[other]], is_right[one])[0]),
            corrected=corrected,
            corrected_low=corrected_interval.low,
            corrected_high=corrected_interval.high,
        )


def _p_values(is_right: Right, of_other: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return those of trials [T, N] against one, [N]."""
    return mcnemar((is_right & ~of_other).sum(1), (of_other & ~is_right).sum(1))


def _first_two(is_right: Right) -> tuple[float, float] | None:
    """Return discordance and difference of the first two trials; None where there is one."""
    if len(is_right) < 2:
        return None
    first, second = is_right
    return float((first ^ second).mean()), float(first.mean() - second.mean())
