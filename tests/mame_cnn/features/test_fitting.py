import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from commands.errors import UserError
from mame_cnn.features import classifiers
from mame_cnn.features.classifiers import Fit
from mame_cnn.features.config import FeaturesConfig, Forest, Value, config_from_params
from mame_cnn.features.embedding import Embedding
from mame_cnn.features.fitting import fit
from mame_cnn.seeds import derive_seed
from tests.mame_cnn.features.made_up import bank_of

CLASSIFIERS = ("forest", "svm", "logistic", "neighbours")


def config_of(seed: int = 1, **params: Value) -> FeaturesConfig:
    about = {"looker": "vgg16", "weights": "torchvision", "sha256": "", "source": "digits"}
    return config_from_params(params, **about, image_size=32, seed=seed)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("discretisation", ["none", "full_network"])
def test_every_classifier_learns_and_answers_with_probabilities(
    classifier: str, discretisation: str
) -> None:
    bank = bank_of()

    fitted = fit(
        config_of(classifier=classifier, discretisation=discretisation), bank, bank.layers, 3
    )

    assert (fitted.val_probs.argmax(1) == bank.val_labels).mean() > 0.7
    for probs in (fitted.train_probs, fitted.val_probs):
        np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-6)
        assert (probs >= 0).all()


def test_the_forest_is_scikit_learns_on_standardised_features() -> None:
    bank = bank_of()
    config = config_of(trees=20, min_samples_leaf=3)

    fitted = fit(config, bank, bank.layers, 3)

    embedding = Embedding.of(bank.train, None)
    seed = derive_seed(config.seed, "features") % 2**32
    forest = RandomForestClassifier(20, min_samples_leaf=3, random_state=seed)
    forest.fit(embedding(bank.train), bank.train_labels)
    np.testing.assert_allclose(fitted.val_probs, forest.predict_proba(embedding(bank.val)))


def test_the_same_configuration_gives_the_same_forest_and_another_seed_another() -> None:
    bank = bank_of(noise=1.0)

    first, again, other = (
        fit(config_of(seed=seed), bank, bank.layers, 3).val_probs for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_only_the_chosen_layers_are_looked_at() -> None:
    bank = bank_of(noise=0.1)
    noise, speaking = ((layer,) for layer in bank.layers)

    blind, seeing = (fit(config_of(), bank, layers, 3) for layers in (noise, speaking))

    assert (blind.n_features, seeing.n_features) == (2, 3)
    assert (blind.val_probs.argmax(1) == bank.val_labels).mean() < 0.6
    assert (seeing.val_probs.argmax(1) == bank.val_labels).mean() > 0.95


def test_a_forest_tells_how_much_each_layer_says() -> None:
    bank = bank_of(noise=0.1)

    importances = fit(config_of(), bank, bank.layers, 3).importances

    assert sum(importances.values()) == pytest.approx(1)
    assert importances["block2_conv1"] > 0.9
    assert not fit(config_of(classifier="svm"), bank, bank.layers, 3).importances


def test_an_svm_of_two_classes_has_probabilities_of_both() -> None:
    bank = bank_of(n_classes=2)

    fitted = fit(config_of(classifier="svm"), bank, bank.layers, 2)

    assert fitted.val_probs.shape == (60, 2)
    assert (fitted.val_probs.argmax(1) == bank.val_labels).mean() > 0.8


def test_a_class_without_training_images_is_never_named() -> None:
    bank = bank_of(n_classes=2)

    probs = Fit(
        Forest(name="forest", trees=5, min_samples_leaf=1),
        bank.train,
        bank.train_labels * 2,
        n_classes=4,
        seed=0,
    ).probs(bank.val)

    assert probs.shape == (60, 4)
    assert not probs[:, [1, 3]].any()


def test_a_classifier_that_did_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = bank_of()
    assert fit(config_of(classifier="logistic"), bank, bank.layers, 3).is_converged

    monkeypatch.setattr(classifiers, "_MOST_ITERATIONS", 1)

    assert not fit(config_of(classifier="logistic"), bank, bank.layers, 3).is_converged


def test_more_neighbours_than_training_images_are_refused() -> None:
    bank = bank_of(n_train=10)

    with pytest.raises(UserError, match="neighbours: 11 of 10 training images"):
        fit(config_of(classifier="neighbours", neighbours=11), bank, bank.layers, 3)


def test_faults_of_parameters_are_all_named_with_the_nearest_names() -> None:
    with pytest.raises(UserError) as raised:
        config_of(min_sample_leaf=2, trees=0, classifier="knn", threshold_low=0.5)

    lines = str(raised.value).splitlines()
    assert "did you mean min_samples_leaf?" in lines[0]
    assert [line.partition(":")[0] for line in lines] == [
        *("min_sample_leaf", "trees", "classifier", "threshold_low")
    ]


def test_parameters_of_another_classifier_are_refused() -> None:
    with pytest.raises(UserError) as raised:
        config_of(classifier="svm", trees=10, threshold_low=-0.5)

    assert str(raised.value).splitlines() == [
        "trees: has an effect only where classifier is forest",
        "threshold_low: has an effect only where discretisation is full_network",
    ]


def test_images_that_are_too_small_are_refused_and_named() -> None:
    about = {"source": "digits", "looker": "vgg16", "weights": "torchvision", "sha256": "a" * 64}
    with pytest.raises(UserError, match=r"data\.image_size"):
        config_from_params({}, **about, image_size=4, seed=0)
