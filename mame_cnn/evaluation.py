"""What a network's probabilities say about a split: accuracy, class by class, and confusions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

_COLUMNS = ("precision", "recall", "f1", "support")


@dataclass(frozen=True)
class Evaluation:
    """A network on one split."""

    accuracy: float
    report: pd.DataFrame
    """A row a class, then the means over classes: alike, and weighted by support."""
    confusions: pd.DataFrame
    """Counts, a row a true class, a column a predicted one."""


def evaluate(
    probs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: Sequence[str]
) -> Evaluation:
    """Return the evaluation of probabilities [N, K] against labels [N].

    A class that was never predicted has precision 0, one without images recall 0.
    """
    predicted = probs.argmax(1)
    numbers = range(len(classes))

    def scores(average: str | None) -> pd.DataFrame:
        figures = precision_recall_fscore_support(
            labels, predicted, labels=numbers, average=average, zero_division=0
        )
        if average is None:
            return pd.DataFrame(dict(zip(_COLUMNS, figures, strict=True)))
        return pd.DataFrame([dict(zip(_COLUMNS, (*figures[:3], len(labels)), strict=True))])

    report = pd.concat([scores(None), scores("macro"), scores("weighted")], ignore_index=True)
    report.insert(0, "class", [*classes, "macro mean", "weighted mean"])
    confusions = pd.DataFrame(
        confusion_matrix(labels, predicted, labels=numbers),
        index=pd.Index(classes, name="true"),
        columns=list(classes),
    )
    return Evaluation(float((predicted == labels).mean()), report, confusions)
