import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from mame_cnn.features.embedding import HIGH, LOW, Embedding


@pytest.fixture
def train() -> np.ndarray:
    random = np.random.default_rng(0)
    return (5 + 3 * random.standard_normal((50, 4))).astype(np.float32)


def test_features_are_standardised_by_the_training_images_alone(train: np.ndarray) -> None:
    val = train[:7] + 1

    embedding = Embedding.of(train, None)

    scaler = StandardScaler().fit(train)
    np.testing.assert_allclose(embedding(val), scaler.transform(val), rtol=1e-4, atol=1e-5)


def test_the_papers_thresholds_make_three_values(train: np.ndarray) -> None:
    standardised = Embedding.of(train, None)(train)

    discretised = Embedding.of(train, (LOW, HIGH))(train)

    assert (LOW, HIGH) == (-0.25, 0.15)
    np.testing.assert_array_equal(discretised == 1, standardised > 0.15)
    np.testing.assert_array_equal(discretised == -1, standardised < -0.25)
    assert set(np.unique(discretised)) == {-1, 0, 1}


def test_a_value_on_a_threshold_is_neither_present_nor_absent() -> None:
    table = np.array([[-1], [0], [1]], dtype=np.float32)
    embedding = Embedding(np.zeros(1, np.float32), np.ones(1, np.float32), (-1.0, 1.0))

    assert embedding(table).ravel().tolist() == [0, 0, 0]


@pytest.mark.parametrize("thresholds", [None, (LOW, HIGH)])
def test_a_feature_that_never_varies_in_training_says_nothing_anywhere(
    train: np.ndarray, thresholds: tuple[float, float] | None
) -> None:
    train[:, 1] = 1 / 3
    val = train.copy()
    val[:, 1] = 9

    embedding = Embedding.of(train, thresholds)

    assert not embedding(val)[:, 1].any()
    assert np.isfinite(embedding(val)).all()


def test_the_features_themselves_are_left_as_they_were(train: np.ndarray) -> None:
    before = train.copy()

    Embedding.of(train, (LOW, HIGH))(train)

    np.testing.assert_array_equal(train, before)
