"""The transfer space tries the documents' three heads first, openly with ImageNet weights."""

from mame_cnn.configuration.config import Config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.pretrained import Pretrained
from spaces.transfer import SPACE


def baseline(number: int) -> Config:
    return config_from_params(
        {**SPACE.fixed, **SPACE.baselines[number]},
        source="mame",
        image_size=224,
        epochs=SPACE.epochs,
        seed=0,
        data_seed=0,
    )


def head(number: int) -> tuple[str, list[tuple[int, float]], bool]:
    network = baseline(number).network
    assert isinstance(network, Pretrained)
    layers = [(layer.width, layer.drop_rate) for layer in network.dense]
    return network.head_batch_norm, layers, any(layer.l2 for layer in network.dense)


def test_the_baselines_are_the_three_heads() -> None:
    assert head(0) == ("none", [(512, 0.2), (512, 0.0)], False)
    assert head(1) == ("before", [(512, 0.3), (512, 0.0)], True)
    assert head(2) == ("before", [(256, 0.4), (256, 0.0), (256, 0.0)], True)


def test_it_stops_on_the_loss_and_says_that_it_is_not_from_scratch() -> None:
    config = baseline(0)
    assert not config.from_scratch
    assert (config.training.patience_on, config.training.patience_epochs) == ("loss", 20)
