import numpy as np
import pytest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

from mame_cnn.evaluation import evaluate


def test_figures_equal_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 200)
    probs = random.dirichlet([1, 1, 1, 1], 200)
    classes = ["image", "label", "accuracy", "macro avg"]
    evaluation = evaluate(probs, labels, classes)
    predicted = probs.argmax(1)
    assert evaluation.accuracy == accuracy_score(labels, predicted)
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
