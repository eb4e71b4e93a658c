"""Greedy forward selection with replacement, bagged (Caruana et al. 2004, ICML, section 2).

The score is accuracy, ties broken by log loss, then by the members' order. There is no sorted
initialisation: a bag's first choice is its best member, and bagging is the guard against a lucky
one. Of the nested ensembles on a bag's path the best counts, of equals the smallest.
"""

import numpy as np

from mame_cnn.combining.combination import Weighted
from mame_cnn.combining.members import Labels, Probs, checked
from mame_cnn.combining.scoring import best_first, is_right, losses

N_BAGS = 10
N_STEPS = 25
"""Choices along a bag's path; weights within a bag are multiples of at least 1/25."""


def greedy(probs: Probs, labels: Labels, rng: np.random.Generator) -> Weighted:
    """Return the mean over bags of the weights that forward selection finds in each.

    A bag holds a random half of the members (Caruana et al. 2004, section 2.3), but two where
    there are two: half of a pair would leave nothing to select.
    """
    probs, labels = checked(probs, labels)
    n_members = len(probs)
    bag_size = min(n_members, max(2, (n_members + 1) // 2))
    weights = np.zeros(n_members)
    for _ in range(N_BAGS):
        bag = np.sort(rng.choice(n_members, bag_size, replace=False))
        chosen = bag[best_selection(probs[bag], labels, N_STEPS)]
        weights += np.bincount(chosen, minlength=n_members) / len(chosen)
    return Weighted("greedy", tuple((weights / N_BAGS).tolist()))


def best_selection(probs: Probs, labels: Labels, n_steps: int) -> list[int]:
    """Return the members, repeated as often as chosen, of the best ensemble on the path."""
    path, n_right, log_loss = selection_path(probs, labels, n_steps)
    return path[: int(best_first(n_right, log_loss)[0]) + 1]


def selection_path(probs: Probs, labels: Labels, n_steps: int) -> tuple[list[int], Labels, Probs]:
    """Return the member added at each step, and the ensemble's images right and log loss then."""
    path: list[int] = []
    n_right = np.empty(n_steps, dtype=np.int64)
    log_loss = np.empty(n_steps)
    total = np.zeros(probs.shape[1:])  # [N, K]
    candidates = np.empty_like(probs)
    for step in range(n_steps):
        np.add(total, probs, out=candidates)
        rights = is_right(candidates, labels).sum(-1)  # [M]
        # The mean of n members is their sum over n; of this only the label's share is needed.
        totals = losses(candidates, labels).mean(-1) + np.log(step + 1)
        best = int(best_first(rights, totals)[0])
        path.append(best)
        n_right[step], log_loss[step] = rights[best], totals[best]
        total = candidates[best].copy()
    return path, n_right, log_loss
