"""What a network's probabilities say about a split: accuracy, class by class, and confusions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix


@dataclass(frozen=True)
class Evaluation:
    """A network on one split."""

    accuracy: float
    report: pd.DataFrame
    """Precision, recall, F1 and support, a row a class, then macro and weighted means."""
    confusions: pd.DataFrame
    """Counts, a row a true class, a column a predicted one."""


def evaluate(
    probs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], classes: Sequence[str]
) -> Evaluation:
    """Return the evaluation of probabilities [N, K] against labels [N].

    A class that was never predicted has precision 0.
    """
    predicted = probs.argmax(1)
    numbers = range(len(classes))
    report = classification_report(
        labels,
        predicted,
        labels=numbers,
        target_names=list(classes),
        output_dict=True,
        zero_division=0,
    )
    report.pop("accuracy", None)
    table = pd.DataFrame(report).T.rename_axis("class")
    confusions = pd.DataFrame(
        confusion_matrix(labels, predicted, labels=numbers),
        index=pd.Index(classes, name="true"),
        columns=list(classes),
    )
    return Evaluation(
        accuracy=float((predicted == labels).mean()),
        report=table.astype({"support": int}),
        confusions=confusions,
    )
