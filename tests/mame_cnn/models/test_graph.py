"""The module that is exported says what the model or ensemble itself says."""

import numpy as np
import pytest
import torch

from mame_cnn.combining.combination import ClassWeighted, Combination, Geometric, Weighted
from mame_cnn.models.graph import graph
from tests.mame_cnn.small_models import CPU, make_ensemble, make_images, make_model

IMAGES = make_images()
WEIGHTS = ((1.5, -0.5, 0.0, 1.0), (-0.2, 0.8, 2.0, -3.0), (0.1, 0.2, 0.3, 0.4))
INTERCEPTS = (0.1, -0.1, 0.0, 0.2)
COMBINATIONS: list[Combination] = [
    Weighted("single", (0.0, 1.0, 0.0)),
    Weighted("greedy", (0.2, 0.3, 0.5)),
    Geometric("geometric", (0.2, 0.3, 0.5)),
    ClassWeighted("ridge", WEIGHTS, INTERCEPTS, "identity"),
    ClassWeighted("logistic", WEIGHTS, INTERCEPTS, "logistic"),
]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda combination: combination.name)
def test_the_graph_of_an_ensemble_combines_as_the_ensemble_does(combination: Combination) -> None:
    ensemble = make_ensemble(combination, with_specialists=True, temperature=0.7, views="flips")
    with torch.inference_mode():
        found = graph(ensemble)(torch.from_numpy(IMAGES)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ensemble.probs(IMAGES, CPU), atol=1e-5)


def test_the_graph_of_a_model_is_the_model() -> None:
    model = make_model()
    with torch.inference_mode():
        found = graph(model)(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(found, model.probs(IMAGES, CPU), atol=1e-6)
