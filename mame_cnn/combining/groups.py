"""Groups of classes that are taken for one another, and specialists within them, as one network.

Groups come from confusions by hierarchical clustering: average linkage on 1 - confusion rate.
Which network is trained on which group, and whether it pays, is decided elsewhere.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from commands.errors import UserError
from mame_cnn.combining.members import Probs, checked_probs, normalised

Groups = tuple[tuple[int, ...], ...]


def confused_groups(confusions: npt.NDArray[np.integer], n_groups: int | None = None) -> Groups:
    """Return the groups, each in the order of classes, and in the order of their first class.

    Args:
        confusions: counts [K, K], a row a true class, a column a predicted one.
        n_groups: None joins groups as long as their classes are confused, on average, more
            than errors spread evenly over all pairs would have it; that leaves at least two.
    """
    counts = np.asarray(confusions, dtype=np.float64)
    _check_confusions(counts, n_groups)
    rates = counts / np.maximum(counts.sum(1, keepdims=True), 1)  # a class without images: 0
    rates = (rates + rates.T) / 2
    np.fill_diagonal(rates, 1)
    pairs = squareform(rates, checks=False)
    tree = linkage(1 - pairs, method="average")
    if n_groups is None:
        # Each pair is parted by one joint of the tree, whose height is its pairs' mean. So the
        # topmost is never below the mean of all, and is left open; 1e-9 is for rounding.
        n_groups = 1 + int((tree[:, 2] >= 1 - pairs.mean() - 1e-9).sum())
    group_of = cut_tree(tree, n_groups)[:, 0]
    members = (np.flatnonzero(group_of == group) for group in np.unique(group_of))
    return tuple(sorted(tuple(classes.tolist()) for classes in members))


def combine_specialists(
    general: Probs, specialists: Sequence[Probs | None], groups: Groups
) -> Probs:
    """Return [N, K]: the probability of a class's group times that of the class within it.

    Args:
        general: probabilities of the G groups, [N, G].
        specialists: for each group [N, its size]; None where it has one class.
    """
    n_classes = sum(map(len, groups))
    _check_specialists(general, specialists, groups)
    (of_group,) = checked_probs([general], ["general"])
    probs = np.empty((len(of_group), n_classes))
    for g, (classes, specialist) in enumerate(zip(groups, specialists, strict=True)):
        within = 1.0 if specialist is None else checked_probs([specialist], [f"specialist {g}"])[0]
        probs[:, list(classes)] = of_group[:, [g]] * within
    return normalised(probs)


def _check_confusions(counts: Probs, n_groups: int | None) -> None:
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2:
        raise UserError(f"confusions: expected K x K with K at least 2, got shape {counts.shape}")
    faults = []
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        faults.append("confusions: expected counts, got some that are negative, NaN or infinite")
    if n_groups is not None and not 2 <= n_groups <= len(counts):
        faults.append(f"groups: allowed are 2 to {len(counts)}, got {n_groups}")
    if faults:
        raise UserError("\n".join(faults))


def _check_specialists(
    general: Probs, specialists: Sequence[Probs | None], groups: Groups
) -> None:
    classes = sorted(k for group in groups for k in group)
    faults = []
    if classes != list(range(len(classes))) or not all(groups):
        faults.append(f"groups: each class must be in one group, got {groups}")
    if np.ndim(general) != 2 or np.shape(general)[1] != len(groups):
        faults.append(f"general: expected images x {len(groups)}, got shape {np.shape(general)}")
    if len(specialists) != len(groups):
        faults.append(f"specialists: {len(groups)} groups need as many, got {len(specialists)}")
    for g, (group, specialist) in enumerate(zip(groups, specialists, strict=False)):
        expected = (len(general), len(group))
        if specialist is None:
            if len(group) > 1:
                faults.append(f"specialist {g}: missing; its group has {len(group)} classes")
        elif np.shape(specialist) != expected:
            faults.append(f"specialist {g}: expected {expected}, got shape {np.shape(specialist)}")
    if faults:
        raise UserError("\n".join(faults))
