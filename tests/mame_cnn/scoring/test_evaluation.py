import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

from mame_cnn.scoring.evaluation import by_museum, confused_pairs, evaluate
from mame_cnn.scoring.intervals import wilson


def test_figures_equal_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 200)
    probs = random.dirichlet([1, 1, 1, 1], 200)
    classes = ["image", "label", "accuracy", "macro avg"]
    evaluation = evaluate(probs, labels, classes)
    predicted = probs.argmax(1)
    assert evaluation.scores.accuracy == accuracy_score(labels, predicted)
    assert (evaluation.confusions.to_numpy() == confusion_matrix(labels, predicted)).all()
    expected = classification_report(labels, predicted, output_dict=True)
    report = evaluation.report
    assert list(report["class"]) == [*classes, "macro mean", "weighted mean"]
    for row, name in enumerate(["0", "1", "2", "3", "macro avg", "weighted avg"]):
        figures = report[["precision", "recall", "f1", "support"]].to_numpy()[row]
        assert list(figures) == pytest.approx(list(expected[name].values()))


def test_a_class_never_predicted_and_one_without_images_score_0() -> None:
    report = evaluate(np.array([[0.9, 0.1, 0.0]] * 2), np.array([0, 1]), ["a", "b", "c"]).report
    assert list(report["precision"][:3]) == [0.5, 0, 0]
    assert list(report["recall"][:3]) == [1, 0, 0]


def test_confused_pairs_count_both_directions_the_most_confused_first() -> None:
    counts = [[7, 2, 1], [4, 5, 1], [1, 0, 9]]
    table = confused_pairs(pd.DataFrame(counts, index=list("abc"), columns=list("abc")))
    assert [tuple(row) for row in table.itertuples(index=False)] == [
        ("a", "b", 6, 2, 4, 6 / 20),
        ("a", "c", 2, 1, 1, 2 / 20),
        ("b", "c", 1, 1, 0, 1 / 20),
    ]


def test_a_network_without_errors_confuses_no_pair() -> None:
    assert len(confused_pairs(pd.DataFrame(np.eye(3, dtype=int)))) == 0


def test_a_museum_is_told_beside_what_its_classes_alone_would_give() -> None:
    # Class 0 is always right (4 images), class 1 half the time (2 images).
    labels = np.array([0, 0, 0, 0, 1, 1])
    probs = np.eye(2)[[0, 0, 0, 0, 1, 0]] * 0.8 + 0.1
    table = by_museum(probs, labels, ["Met", "Met", "Met", "", "Louvre", "Louvre"])
    table = table.set_index("museum")
    assert list(table.index) == ["Met", "Louvre", "(not named)"]
    assert dict(table["images"]) == {"Met": 3, "Louvre": 2, "(not named)": 1}
    assert dict(table["accuracy"]) == {"Met": 1, "Louvre": 0.5, "(not named)": 1}
    assert dict(table["expected"]) == {"Met": 1, "Louvre": 0.5, "(not named)": 1}
    ends = wilson(1, 2)
    assert list(table.loc["Louvre", ["low", "high"]]) == [ends.low, ends.high]


def test_two_museums_of_the_same_classes_are_expected_to_be_equally_hard() -> None:
    labels = np.array([0, 1, 0, 1])
    probs = np.eye(2)[[0, 1, 1, 0]] * 0.8 + 0.1
    table = by_museum(probs, labels, ["a", "a", "b", "b"]).set_index("museum")
    assert dict(table["accuracy"]) == {"a": 1, "b": 0}
    assert dict(table["expected"]) == {"a": 0.5, "b": 0.5}
