import pytest
import torch
from torch import nn

from mame_cnn.families.network import n_parameters
from mame_cnn.layers import make_activation
from mame_cnn.layers.activation import CohortPReLU
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config

T, N, WIDTH = 3, 5, 4


def slopes_of(layer: nn.Module) -> torch.Tensor:
    assert isinstance(layer, CohortPReLU)
    layer.initialise([])
    [slopes] = layer.parameters()
    assert (slopes == 0.25).all()  # He et al. 2015
    with torch.no_grad():
        slopes.copy_(torch.randn(slopes.shape, generator=generator("slopes")))
    return slopes


@pytest.mark.parametrize(("name", "n_slopes"), [("prelu", 1), ("prelu_per_unit", WIDTH)])
@pytest.mark.parametrize("kind", ["maps", "vectors"])
def test_values_and_gradients_are_those_of_torchs_prelu(
    name: str, n_slopes: int, kind: str
) -> None:
    layer = make_activation(name, T, WIDTH)
    slopes = slopes_of(layer)
    assert slopes.shape == (T, n_slopes)
    pixels = (2, 3) if kind == "maps" else ()
    members = torch.randn(T, N, WIDTH, *pixels, generator=generator("outputs"))
    given = members.transpose(0, 1).flatten(1, 2) if kind == "maps" else members
    found = layer(given)
    found.square().sum().backward()
    for slot in range(T):
        plain = nn.PReLU(n_slopes)
        plain.load_state_dict({"weight": slopes[slot].detach()})
        expected = plain(members[slot])
        expected.square().sum().backward()
        own = found.unflatten(1, (T, WIDTH))[:, slot] if kind == "maps" else found[slot]
        torch.testing.assert_close(own, expected)
        assert slopes.grad is not None
        torch.testing.assert_close(slopes.grad[slot], plain.weight.grad)


@pytest.mark.parametrize("shape", [(2, T * WIDTH, 3, 3), (T, 2, WIDTH)])
def test_learnt_slopes_keep_the_precision_of_what_they_scale(shape: tuple[int, ...]) -> None:
    layer = make_activation("prelu", T, WIDTH)
    slopes = slopes_of(layer)
    found = layer(torch.ones(shape, dtype=torch.bfloat16))
    assert found.dtype == torch.bfloat16
    found.sum().backward()
    assert slopes.grad is not None
    assert slopes.grad.dtype == torch.float32


def test_a_slope_a_unit_adds_as_many_weights_as_there_are_units() -> None:
    def count(activation: str) -> int:
        config = make_config(activation=activation, width=4, width_growth=1.0, dense_width=6)
        return n_parameters(config.network, channels=3, image_size=8, n_classes=3)

    assert count("prelu") - count("relu") == 3  # two convolutions, one dense layer
    assert count("prelu_per_unit") - count("relu") == 4 + 4 + 6
