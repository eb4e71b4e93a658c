"""Stratified folds: each class is spread over them as evenly as its images allow."""

import numpy as np

from mame_cnn.combining.members import Labels


def stratified_folds(labels: Labels, n_folds: int, rng: np.random.Generator) -> Labels:
    """Return the fold of each image, [N], drawn at random within its class.

    A class's images in two folds differ by one at most, and so do the folds' sizes. Unlike
    scikit-learn's `StratifiedKFold`, a class may have fewer images than there are folds.
    """
    shuffled = rng.permutation(len(labels))
    class_by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[class_by_class] = np.arange(len(labels)) % n_folds
    return folds
