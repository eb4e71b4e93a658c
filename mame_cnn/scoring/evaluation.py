"""What probabilities say about a split, as tables: class by class, confusions, museums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mame_cnn.scoring.intervals import wilson
from mame_cnn.scoring.scores import Floats, Integers, Scores, scores

_COLUMNS = ("precision", "recall", "f1", "support")


@dataclass(frozen=True)
class Evaluation:
    """A network on one split."""

    scores: Scores
    report: pd.DataFrame
    """A row a class, then the means over classes: alike, and weighted by support."""
    confusions: pd.DataFrame
    """Counts, a row a true class, a column a predicted one."""


def evaluate(probs: Floats, labels: Integers, classes: Sequence[str]) -> Evaluation:
    """Return the evaluation of probabilities [N, K] against labels [N].

    A class that was never predicted has precision 0, one without images recall 0.
    """
    figures = scores(probs, labels)
    predicted = probs.argmax(1)
    numbers = range(len(classes))

    def rows(average: str | None) -> pd.DataFrame:
        values = precision_recall_fscore_support(
            labels, predicted, labels=numbers, average=average, zero_division=0
        )
        if average is None:
            return pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)))
        return pd.DataFrame([dict(zip(_COLUMNS, (*values[:3], len(labels)), strict=True))])

    report = pd.concat([rows(None), rows("macro"), rows("weighted")], ignore_index=True)
    report.insert(0, "class", [*classes, "macro mean", "weighted mean"])
    confusions = pd.DataFrame(
        confusion_matrix(labels, predicted, labels=numbers),
        index=pd.Index(classes, name="true"),
        columns=list(classes),
    )
    return Evaluation(figures, report, confusions)


def confused_pairs(confusions: pd.DataFrame) -> pd.DataFrame:
    """Return each pair of classes that was confused, the most confused first.

    `confused` is both directions together, `share` is that of the images of both classes. Pairs
    with as many confusions stand in the order of the classes.
    """
    counts, classes = confusions.to_numpy(), list(confusions.columns)
    both = np.triu(counts + counts.T, k=1)
    first, second = np.nonzero(both)
    order = np.argsort(-both[first, second], kind="stable")
    first, second = first[order], second[order]
    support = counts.sum(1)
    confused = both[first, second]
    return pd.DataFrame(
        {
            "class": [classes[k] for k in first],
            "other": [classes[k] for k in second],
            "confused": confused,
            "class_taken_for_other": counts[first, second],
            "other_taken_for_class": counts[second, first],
            "share": confused / (support[first] + support[second]),
        }
    )


def by_museum(probs: Floats, labels: Integers, museums: Sequence[str]) -> pd.DataFrame:
    """Return the accuracy of each museum's images with its 95 % interval, the most images first.

    `expected` is what the museum's classes alone would give: the mean over its images of the
    recall of their class in the whole split. A museum far below it is hard for its own sake.
    """
    is_correct = probs.argmax(1) == labels
    images = pd.DataFrame(
        {
            "museum": [museum or "(not named)" for museum in museums],
            "label": labels,
            "is_correct": is_correct,
        }
    )
    images["recall"] = images.groupby("label")["is_correct"].transform("mean")
    groups = images.groupby("museum")
    table = pd.DataFrame(
        {
            "images": groups.size(),
            "correct": groups["is_correct"].sum(),
            "accuracy": groups["is_correct"].mean(),
        }
    )
    counts = table[["correct", "images"]].to_numpy().tolist()
    ends = [wilson(n_correct, n) for n_correct, n in counts]
    table["low"], table["high"] = [end.low for end in ends], [end.high for end in ends]
    table["expected"] = groups["recall"].mean()
    return table.sort_values("images", ascending=False, kind="stable").reset_index()
