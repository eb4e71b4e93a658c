"""Many tests at once: what their p-values are worth together."""

import numpy as np
import numpy.typing as npt


def holm(p_values: npt.ArrayLike) -> list[float]:
    """Return adjusted p-values, in the order given (Holm 1979).

    The chance that any true null hypothesis falls below 0.05 is at most 0.05, however the tests
    depend on one another. The smallest of m is multiplied by m, the next by m - 1 and so on;
    none may come before one that was smaller.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    factors = len(given) - np.arange(len(given))
    adjusted = np.empty_like(given)
    adjusted[order] = np.maximum.accumulate(given[order] * factors)
    return [float(value) for value in adjusted.clip(max=1)]
