"""Heat maps: the formula, the network that they are made of, and what they find."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from commands.errors import UserError
from mame_cnn.explaining.attention import BORDER_AREA, border_shares
from mame_cnn.explaining.grad_cam import BATCH, Explainer, grad_cam
from mame_cnn.explaining.layers import check_names, last_activations
from mame_cnn.models.model import Model
from tests.mame_cnn.explaining.planted import SIDE, Planted, plant, train_on_patches
from tests.mame_cnn.small_models import CLASSES, CPU, make_images, make_model

IMAGES = make_images(5)


def explainer(**params: Any) -> Explainer:
    return Explainer(make_model(**params), CPU)


def test_a_channel_weighs_what_its_pixels_together_do_to_the_score() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5 * 9, 1)).double()
    maps = torch.rand(2, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    found = grad_cam(maps, head(maps)[:, 0])
    step = 1e-6
    weights = torch.zeros(2, 5, dtype=torch.float64)
    with torch.no_grad():
        for channel in range(5):
            moved = maps.clone()
            moved[:, channel] += step
            weights[:, channel] = (head(moved) - head(maps))[:, 0] / (step * 36)
        expected = F.relu(torch.einsum("nc,nchw->nhw", weights, maps))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    assert expected.max() > 0


@pytest.mark.parametrize(
    "params",
    [
        {"activation": "relu", "pool": "max"},
        {"activation": "elu", "pool": "max", "batch_norm": "after_pool"},
        {"activation": "gelu", "pool": "max"},
        {"activation": "relu", "pool": "average", "batch_norm": "before", "convolutions": 2},
        {"activation": "prelu", "pool": "max", "batch_norm": "after", "drop_rate": 0.5},
        {"depth": 1, "pool_size": 1},
    ],
)
def test_the_network_explained_answers_as_the_model_does(params: dict[str, Any]) -> None:
    model = make_model(**params)
    found = Explainer(model, CPU).explain(IMAGES).probs
    np.testing.assert_allclose(found, model.probs(IMAGES, CPU), rtol=1e-5)


def test_activations_have_their_size_before_pooling() -> None:
    maps = explainer().activations(IMAGES[0], ["block1.activation1", "block1.pool"])
    assert maps["block1.activation1"].shape == (4, 8, 8)
    assert maps["block1.pool"].shape == (4, 4, 4)
    assert maps["block1.activation1"].min() == 0
    expected = maps["block1.activation1"].reshape(4, 4, 2, 4, 2).max((2, 4))
    np.testing.assert_allclose(maps["block1.pool"], expected)


def test_the_default_layer_is_the_last_convolution_s_activation() -> None:
    found = explainer(convolutions=2, batch_norm="after")
    assert found.default_layer == "block2.activation2"
    assert last_activations(found.layers) == ["block1.activation2", "block2.activation2"]
    heat = found.explain(IMAGES).for_answer
    assert heat.shape == (5, 4, 4)


def test_a_layer_that_does_not_exist_is_answered_with_the_nearest_and_all() -> None:
    layers = explainer().layers
    with pytest.raises(UserError) as caught:
        check_names(["block3.conv1", "blok1.pool", "block1.pool"], layers, "--layers", "best-01")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("--layers block3.conv1: best-01 has no such layer; did you mean")
    assert "block1.conv1" in lines[0]
    assert "did you mean block1.pool" in lines[1]
    assert lines[2] == f"its layers: {', '.join(layers)}"


def test_without_classes_the_second_most_probable_is_looked_into() -> None:
    found = explainer().explain(IMAGES)
    ranked = np.argsort(-found.probs, axis=1)
    assert found.answers.tolist() == ranked[:, 0].tolist()
    assert found.others.tolist() == ranked[:, 1].tolist()


def test_a_map_has_its_largest_value_1_or_is_empty() -> None:
    found = explainer().explain(make_images(30), np.arange(30) % len(CLASSES))
    for heat in (found.for_answer, found.for_other):
        assert set(heat.max((1, 2)).tolist()) <= {0.0, 1.0}
        assert heat.min() >= 0


def test_an_image_has_the_same_map_in_any_company() -> None:
    many = np.concatenate([make_images(BATCH), IMAGES])
    together = explainer().explain(many).for_answer[BATCH:]
    np.testing.assert_allclose(together, explainer().explain(IMAGES).for_answer, atol=2e-3)


def test_answers_that_are_no_numbers_are_refused() -> None:
    model = make_model()
    model.state["output.bias"].fill_(float("inf"))
    with pytest.raises(UserError, match="not finite"):
        Explainer(model, CPU).explain(IMAGES)


@pytest.fixture(scope="module")
def trained() -> Model:
    model = train_on_patches()
    assert model.metrics["val_accuracy"] > 0.9
    return model


def enlarged(heat: np.ndarray) -> np.ndarray:
    part = torch.from_numpy(heat).double().unsqueeze(1)
    return F.interpolate(part, (SIDE, SIDE), mode="bilinear").squeeze(1).numpy()


def test_the_heat_map_finds_the_patch(trained: Model) -> None:
    planted: Planted = plant(80, seed=3)
    heat = enlarged(Explainer(trained, CPU).explain(planted.images, planted.labels).for_other)
    # The pointing game (Zhang et al. 2018), and how much of the heat lies where the patch is;
    # 2 pixels of the image are one of the layer.
    n_hits, shares = 0, []
    for index, own in enumerate(heat):
        n_hits += bool(planted.inside(index, margin=2)[np.unravel_index(own.argmax(), own.shape)])
        shares.append(own[planted.inside(index, margin=2)].sum() / own.sum())
    assert n_hits >= 0.95 * len(heat)
    assert np.mean(shares) > 0.6  # on 12 x 12 of 32 x 32 pixels, 14 % of the area


def test_attention_on_the_border_follows_the_patch_to_the_border(trained: Model) -> None:
    found = {}
    for place, (first, last) in {"corner": (0, 0), "middle": (12, 12)}.items():
        planted = plant(40, seed=4, first=first, last=last)
        heat = Explainer(trained, CPU).explain(planted.images, planted.labels).for_other
        found[place] = np.nanmean(border_shares(heat))
    assert found["middle"] < 0.15 < BORDER_AREA < 0.55 < found["corner"]
