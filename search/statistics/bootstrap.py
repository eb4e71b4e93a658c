"""Bootstrap over images, of many trials at once.

Resampling images tells how accuracies would differ on other images of the kind. All trials see
the same resamples, so that differences are paired. It says nothing of training again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.statistics.interval import LEVEL, Interval

N_RESAMPLES = 2000
"""The ends of an interval then have 50 values beyond them (2,000 * 2.5 %)."""
_MOST_COUNTS = 2**24
"""Counts held at once: 64 MiB in float32, in which sums of up to 2^24 images are exact."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """The accuracies of T trials on B resamples of the images, and on what those left out."""

    inside: Floats
    """[B, T], on the images of the resample, each as often as it was drawn."""
    outside: Floats
    """[B, T], on the images that were not drawn; NaN where all were."""
    accuracies: Floats
    """[T], on all images, each once."""
    n_images: int
    n_made_up: Floats
    """[B], draws of an image that one trial alone has right, minus those of its opposite.

    Every pair of trials is taken to have one of each beside its own (Bonett and Price 2012,
    Journal of Educational and Behavioral Statistics 37, for the closed form). Where two trials
    differ on few images, resampling those alone is too sure: on 4 of 200, it covered 91 %.
    """

    def differences(self, over: int) -> list[Interval]:
        """Return the 95 % interval of every trial's accuracy minus that of one: percentiles."""
        return self._percentiles(self.inside - self.inside[:, [over]])

    def difference(self, of: int, over: int) -> Interval:
        """Return the 95 % interval of one trial's accuracy minus that of another."""
        [interval] = self._percentiles(self.inside[:, [of]] - self.inside[:, [over]])
        return interval

    def _percentiles(self, differences: Floats) -> list[Interval]:
        """Return an interval for every column."""
        n_better = self.n_images * differences + self.n_made_up[:, None]
        lows, highs = np.quantile(
            n_better / (self.n_images + 2), ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0
        )
        return [
            Interval(max(-1.0, float(low)), min(1.0, float(high)))
            for low, high in zip(lows, highs, strict=True)
        ]


def bootstrap(is_right: npt.NDArray[np.bool_], seed: int) -> Bootstrap:
    """Resample the images of [T, N] answers that are right or wrong."""
    n_trials, n_images = is_right.shape
    random = np.random.default_rng((seed, n_images))
    share = np.full(n_images, 1 / n_images)
    right = is_right.T.astype(np.float32)
    inside, outside = np.empty((2, N_RESAMPLES, n_trials))
    n_rows = max(1, _MOST_COUNTS // n_images)
    for first in range(0, N_RESAMPLES, n_rows):
        rows = slice(first, min(first + n_rows, N_RESAMPLES))
        counts = random.multinomial(n_images, share, size=rows.stop - rows.start)
        inside[rows] = counts.astype(np.float32) @ right / n_images
        is_outside = counts == 0
        n_outside = is_outside.sum(1, keepdims=True).astype(np.float64)
        n_outside[n_outside == 0] = np.nan
        outside[rows] = is_outside.astype(np.float32) @ right / n_outside
    # Drawn as often as any one image: nearly Poisson with mean 1.
    n_made_up = np.subtract(*random.poisson(1, size=(2, N_RESAMPLES))).astype(np.float64)
    return Bootstrap(inside, outside, is_right.mean(1), n_images, n_made_up)
