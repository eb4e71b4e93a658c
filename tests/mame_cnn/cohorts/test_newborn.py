import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.newborn import newborn
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit, with_validation
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config, make_data

PAINTERS = {"Goya": 851, "Bayeu": 376, "Haes": 259, "Pizarro": 240, "Ribera": 166}
"""Training images of each, 1,892 in all."""


def painters() -> DeviceData:
    """Return images of 8 pixels, as many of each class as of each painter."""
    counts = torch.tensor([*PAINTERS.values()])
    labels = torch.arange(5).repeat_interleave(counts)
    images = torch.randint(
        0, 256, (len(labels), 8, 8, 3), dtype=torch.uint8, generator=generator("painters")
    )
    data = make_data(n_classes=5)
    weights = len(labels) / (counts * 5)
    return DeviceData(
        **{**vars(data), "train": DeviceSplit(images, labels), "class_weights": weights.double()}
    )


def test_the_softmax_of_output_biases_is_the_share_of_each_class() -> None:
    network = newborn([make_config(initial_bias="frequencies")], painters())
    shares = torch.tensor([*PAINTERS.values()]).double() / 1892
    torch.testing.assert_close(torch.softmax(network.output_bias[0], dim=0).detach(), shares)


def test_before_training_the_loss_without_features_is_the_entropy_of_the_classes() -> None:
    data = painters()
    network = newborn([make_config(initial_bias="frequencies")], data)
    with torch.no_grad():
        network.get_parameter("output.weight").zero_()
        logits = network.eval()(data.normalise(data.train.images))[0]
    loss = torch.nn.functional.cross_entropy(logits, data.train.labels)
    shares = torch.tensor([*PAINTERS.values()]).double() / 1892
    torch.testing.assert_close(loss, -(shares * shares.log()).sum())


def test_members_of_a_cohort_begin_each_as_configured() -> None:
    data = painters()
    cohort = Cohort([make_config(), make_config(initial_bias="frequencies")], [0, 1], data)
    zero, frequencies = cohort.network.output_bias
    assert not zero.any()
    torch.testing.assert_close(frequencies.exp(), data.frequencies)


def test_biases_change_nothing_else_that_is_drawn() -> None:
    data = painters()
    plain, biased = (
        newborn([make_config(initial_bias=how)], data).member_state(0)
        for how in ("zero", "frequencies")
    )
    assert {name for name in plain if not torch.equal(plain[name], biased[name])} == {
        "output.bias"
    }


def test_with_validation_images_the_shares_are_those_of_both_splits() -> None:
    data = with_validation(make_data(n_train=40, n_val=20))
    counts = torch.bincount(data.train.labels, minlength=3)
    assert len(data.train) == 60
    torch.testing.assert_close(data.frequencies, counts.double() / 60)


@pytest.mark.parametrize(("painter", "weight"), [("Goya", 0.4446533), ("Ribera", 2.2795181)])
def test_balanced_weights_are_those_of_the_five_painters(painter: str, weight: float) -> None:
    # w_c = n / (n_c * |c|): 1892 / (851 * 5) and 1892 / (166 * 5), by hand.
    place = [*PAINTERS].index(painter)
    assert painters().class_weights[place].item() == pytest.approx(weight, abs=1e-7)
