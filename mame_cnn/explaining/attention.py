"""How much of the attention falls on the border of the images, where things seldom are.

Attention is a heat map's share in each place; the border is an eighth of the side all around.
It is no proof that a network looks at the background, but where it gets more than its share of
the area, that is the first thing to look into.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t
from torch.nn import functional as F

from mame_cnn.data.dataset import Labels
from mame_cnn.explaining.grad_cam import Heat

BORDER_FRACTION = 1 / 8
"""Of the side, on each of the four sides."""
BORDER_AREA = 1 - (1 - 2 * BORDER_FRACTION) ** 2
"""The border's share of an image: 1 - (3 / 4)^2 = 44 %, and of attention that is the same
everywhere."""
ALL = "all classes"
_GRID_PX, _BATCH = 64, 256
_CONFIDENCE = 0.95
Shares = npt.NDArray[np.float64]
"""[N], NaN where nothing in an image speaks for the class."""


@dataclass(frozen=True)
class Attention:
    """The mean over a class's images, with its 95 % interval over images (Student's t)."""

    name: str
    n_images: int
    """Those in which something speaks for the class."""
    mean: float
    """NaN without images; so are the ends of the interval with fewer than 2."""
    low: float
    high: float

    @property
    def is_on_border(self) -> bool:
        """Whether the border surely gets more than its share of the area."""
        return self.low > BORDER_AREA


def border_shares(heat: Heat) -> Shares:
    """Return which share of each heat map lies on the border, enlarged as it is drawn."""
    width = int(BORDER_FRACTION * _GRID_PX)
    shares = np.full(len(heat), nan)
    for first in range(0, len(heat), _BATCH):
        part = torch.from_numpy(heat[first : first + _BATCH]).double().unsqueeze(1)
        large = F.interpolate(part, (_GRID_PX, _GRID_PX), mode="bilinear").squeeze(1)
        total = large.sum((1, 2)).numpy()
        inner = large[:, width:-width, width:-width].sum((1, 2)).numpy()
        is_lit = total > 0
        shares[first : first + _BATCH][is_lit] = 1 - inner[is_lit] / total[is_lit]
    return shares


def attention(
    values: Shares, labels: Labels, classes: Sequence[str], lowest: float = 0
) -> tuple[Attention, ...]:
    """Return the mean of all images, then that of each class.

    Args:
        values: border shares, or differences of them.
        lowest: that a value can have: 0 of shares, -1 of differences.
    """
    groups = [(ALL, values), *((name, values[labels == k]) for k, name in enumerate(classes))]
    return tuple(_attention(name, group[~np.isnan(group)], lowest) for name, group in groups)


def mean_heat(heat: Heat, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the mean [h, w] of chosen maps, each with the same largest value; 0 for none."""
    lit = heat[chosen & (heat.max((1, 2)) > 0)].astype(np.float64)
    mean: npt.NDArray[np.float64] = lit.mean(0) if len(lit) else np.zeros(heat.shape[1:])
    return mean


def _attention(name: str, values: Shares, lowest: float) -> Attention:
    n = len(values)
    if n < 2:
        return Attention(name, n, float(values[0]) if n else nan, nan, nan)
    mean = float(values.mean())
    reach = float(t.ppf((1 + _CONFIDENCE) / 2, n - 1)) * float(values.std(ddof=1)) / sqrt(n)
    return Attention(name, n, mean, max(lowest, mean - reach), min(1.0, mean + reach))
