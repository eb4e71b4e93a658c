"""What the best of many is worth: its score corrected for having been chosen by it."""

from collections.abc import Sequence

import numpy as np

from search.statistics.bootstrap import Bootstrap, Floats


def corrected_accuracy(bootstrapped: Bootstrap, among: Sequence[int]) -> float:
    """Return the accuracy to expect of the trial that is the best of some.

    Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou and Borboudakis 2018,
    Machine Learning 107, section 3): each resample of the images chooses its own best trial, whose
    accuracy on the images outside of the resample counts; the mean over resamples. Choosing and
    scoring never share an image, so nothing is flattered; since a resample holds 63 % of the
    images, the choice is a little worse than the real one, and the figure errs to the low side.

    It corrects for the choice among trials, not for that of each trial's best epoch.

    Args:
        among: columns, in an order that owes nothing to accuracy. Of trials that are equal in a
            resample the first is its best, and by the order of rank that would be told by images
            outside.
    """
    return float(np.nanmean(_outside(bootstrapped, among)))


def corrected_gain(bootstrapped: Bootstrap, of: Sequence[int], over: Sequence[int]) -> float:
    """Return how much better the best of some trials is than the best of others, corrected.

    Both are chosen by the same resamples, which may hold any number of trials each.
    """
    gains = _outside(bootstrapped, of) - _outside(bootstrapped, over)
    return float(np.nanmean(gains))


def _outside(bootstrapped: Bootstrap, among: Sequence[int]) -> Floats:
    """Return [B] what the best of each resample does outside of it."""
    columns = np.asarray(among)
    if len(columns) == 1:  # nothing was chosen
        return np.full(len(bootstrapped.inside), bootstrapped.accuracies[columns[0]])
    best = columns[bootstrapped.inside[:, columns].argmax(1)]
    scores: Floats = np.take_along_axis(bootstrapped.outside, best[:, None], 1)[:, 0]
    return scores
