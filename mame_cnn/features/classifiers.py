"""The classifiers of scikit-learn by name, all with probabilities and none with a global seed."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from mame_cnn.features.config import Forest, Logistic, Neighbours, Svm
from mame_cnn.features.embedding import Table

Probs = npt.NDArray[np.float64]
_MOST_ITERATIONS = 1000


class Fit:
    """A classifier, fitted."""

    def __init__(
        self,
        config: Forest | Svm | Logistic | Neighbours,
        features: Table,
        labels: npt.NDArray[np.int64],
        *,
        n_classes: int,
        seed: int,
    ) -> None:
        """Fit it to features [N, F] and labels [N]."""
        self._n_classes = n_classes
        self._is_svm = isinstance(config, Svm)
        self._classifier = _MAKERS[type(config)](config, seed % 2**32)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            self._classifier.fit(features, labels)
        self.is_converged = not any(
            issubclass(each.category, ConvergenceWarning) for each in caught
        )
        """Whether it came to an end before the most iterations that it may take."""
        if isinstance(config, Forest):
            # Threads would add up what trees say in any order, which the last digits tell.
            self._classifier.n_jobs = 1

    def probs(self, features: Table) -> Probs:
        """Return probabilities [N, K].

        Those of an SVM are the softmax of its margins: in the right order, but nothing more.
        """
        if self._is_svm:
            margins = self._classifier.decision_function(features)
            if margins.ndim == 1:  # of two classes it has one margin only
                margins = np.stack([-margins, margins], axis=1)
            found = softmax(margins, axis=1)
        else:
            found = self._classifier.predict_proba(features)
        probs = np.zeros((len(features), self._n_classes))
        probs[:, self._classifier.classes_] = found
        return probs

    def importances(self) -> npt.NDArray[np.float64] | None:
        """Return each feature's share of the fall in impurity, [F]; None if it is no forest."""
        found: npt.NDArray[np.float64] | None = getattr(
            self._classifier, "feature_importances_", None
        )
        return found


def _forest(config: Forest, seed: int) -> Any:
    return RandomForestClassifier(
        config.trees,
        min_samples_leaf=config.min_samples_leaf,
        random_state=seed,
        n_jobs=torch.get_num_threads(),  # of which the result does not depend
    )


def _svm(config: Svm, seed: int) -> Any:
    return LinearSVC(C=config.c, dual="auto", max_iter=_MOST_ITERATIONS, random_state=seed)


def _logistic(config: Logistic, seed: int) -> Any:
    return LogisticRegression(C=config.c, max_iter=_MOST_ITERATIONS)


def _neighbours(config: Neighbours, seed: int) -> Any:
    return KNeighborsClassifier(config.neighbours)


_MAKERS: dict[type, Callable[[Any, int], Any]] = {
    Forest: _forest,
    Svm: _svm,
    Logistic: _logistic,
    Neighbours: _neighbours,
}
