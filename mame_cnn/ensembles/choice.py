"""Which combination an ensemble uses: the one that wins on images it was not fitted on.

Combiners, test-time views and specialists compete alike; a temperature is kept if it pays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mame_cnn.combining.combination import Combination
from mame_cnn.combining.combiners import COMBINERS
from mame_cnn.combining.out_of_fold import Comparison, Row, compare, corrected_for_choosing
from mame_cnn.combining.temperature import fit_temperature, out_of_fold_temperature
from mame_cnn.models.model import Probs
from mame_cnn.scoring.scores import expected_calibration_error, losses

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """Log loss and calibration error out of fold, before and after scaling by a temperature."""

    temperature: float
    """Fitted on all images; 1 if scaling made log loss no lower out of fold."""
    log_loss: tuple[float, float]
    error: tuple[float, float]


@dataclass(frozen=True)
class Choice:
    """How members are combined, and what that is worth out of fold."""

    views: str
    combination: Combination
    """Fitted on all validation images."""
    calibration: Calibration
    probs: Probs
    """[N, K], out of fold, scaled by a temperature that was fitted out of fold as well."""
    comparisons: Mapping[str, Comparison]
    """By views."""
    was_asked_for: bool
    """Whether this combiner was to be taken, whichever wins."""
    seed: int
    rivals: tuple[Comparison, ...] = ()
    """Of other members, among which this was chosen as well: with specialists, or without."""

    @property
    def comparison(self) -> Comparison:
        """Return the combiners with the chosen views."""
        return self.comparisons[self.views]

    @property
    def row(self) -> Row:
        """Return the chosen combiner out of fold."""
        return self.comparison.row(self.combination.name)

    @cached_property
    def corrected(self) -> float | None:
        """Return the accuracy corrected for all that was chosen among; None: nothing was."""
        among = [*self.comparisons.values(), *self.rivals]
        name = self.combination.name if self.was_asked_for else None
        if name and len(among) == 1:
            return None
        return corrected_for_choosing(among, name, seed=self.seed)

    @property
    def gain(self) -> tuple[float, float, float]:
        """Return the gain over the best member and its 95 % interval, corrected alike."""
        row = self.row
        luck = 0.0 if self.corrected is None else max(0.0, row.accuracy - self.corrected)
        return row.gain - luck, row.gain_low - luck, row.gain_high - luck


def choose(
    probs: Mapping[str, Probs],
    labels: Labels,
    *,
    seed: int,
    classes: tuple[str, ...],
    combiner: str | None = None,
) -> Choice:
    """Return the combination with the highest accuracy out of fold, ties by log loss.

    Args:
        probs: by views, simplest first: of every member, [M, N, K].
        combiner: take this one, whichever wins.
    """
    comparisons = {
        views: compare(own, labels, seed=seed, classes=classes) for views, own in probs.items()
    }
    rows = {
        views: comparison.row(combiner or comparison.winner)
        for views, comparison in comparisons.items()
    }
    best = max(rows, key=lambda views: (rows[views].accuracy, -rows[views].log_loss))
    name = rows[best].name
    fitted = COMBINERS[name](probs[best], labels, np.random.default_rng((seed, *name.encode())))
    out_of_fold = comparisons[best].probs[name]
    calibration, scaled = _calibrated(out_of_fold, labels, seed)
    was_asked_for = combiner is not None
    return Choice(best, fitted, calibration, scaled, comparisons, was_asked_for, seed)


def _calibrated(probs: Probs, labels: Labels, seed: int) -> tuple[Calibration, Probs]:
    """Return what a temperature brings to probabilities [N, K], and those that are kept."""
    scaled = out_of_fold_temperature(probs, labels, seed=seed)
    nats = float(losses(probs, labels).mean()), float(losses(scaled, labels).mean())
    errors = (
        expected_calibration_error(probs, labels),
        expected_calibration_error(scaled, labels),
    )
    pays = nats[1] < nats[0]
    temperature = fit_temperature(probs, labels) if pays else 1.0
    return Calibration(temperature, nats, errors), scaled if pays else probs
