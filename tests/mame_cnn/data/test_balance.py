import pytest

from mame_cnn.data.balance import imbalance, treatment
from tests.mame_cnn.factory import make_config


def test_uneven_classes_are_named_with_what_guessing_achieves() -> None:
    painters = ("Goya", "Bayeu", "Haes", "Pizarro", "Ribera")
    said = imbalance(painters, (851, 376, 259, 240, 166))
    assert said is not None
    assert "Goya has 5.1 times as many training images as Ribera" in said  # 851 / 166
    assert "45.0%" in said  # 851 / 1,892


@pytest.mark.parametrize("counts", [(700, 700, 700), (10, 14, 12), (0, 5, 0), (0, 0, 0)])
def test_even_classes_are_not_worth_a_word(counts: tuple[int, int, int]) -> None:
    assert imbalance(("a", "b", "c"), counts) is None


def test_what_a_training_does_about_it_is_told() -> None:
    assert "does nothing" in treatment(make_config().training)
    balanced = treatment(make_config(class_weights="balanced").training)
    assert "does nothing" not in balanced
    assert 'class_weights = "balanced"' in balanced
