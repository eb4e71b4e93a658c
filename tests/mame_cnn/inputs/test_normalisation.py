import numpy as np
import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.inputs.normalisation import normalise
from mame_cnn.models.model import Model
from tests.mame_cnn.factory import make_config, make_data

NEITHER = torch.zeros(3, 1, 1, dtype=torch.float64)


def standardised(image: np.ndarray) -> np.ndarray:
    """Return (x - mean) / max(sd, 1 / sqrt(N)) as the formula of the five painters has it."""
    values = image.astype(np.float64)
    own: np.ndarray = (values - values.mean()) / max(values.std(), 1 / np.sqrt(values.size))
    return own


def test_each_image_is_standardised_by_its_own_values() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    found = normalise(torch.from_numpy(images), NEITHER, NEITHER, "image")
    expected = np.stack([standardised(image) for image in images]).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("other", "largest"), [(200, 0.0), (201, 13.8)])
def test_an_image_of_almost_one_colour_does_not_become_noise(other: int, largest: float) -> None:
    image = torch.full((1, 8, 8, 3), 200, dtype=torch.uint8)
    image[0, 0, 0, 0] = other
    # One value of 192 higher by 1: deviation sqrt(191) / 192 = 0.0720, just below the bound
    # 1 / sqrt(192) = 0.0722, over which it stands out by 191 / 192.
    found = normalise(image, NEITHER, NEITHER, "image")
    expected = (191 / 192) * np.sqrt(192) if largest else 0.0
    assert found.abs().max().item() == pytest.approx(expected, abs=1e-9)
    assert found.abs().max().item() == pytest.approx(largest, abs=0.05)


def test_what_is_added_comes_before_either_normalisation() -> None:
    images = torch.from_numpy(
        np.random.default_rng(1).integers(20, 200, (2, 4, 4, 3), dtype=np.uint8)
    )
    added = torch.tensor([[10, 0, -20], [0, 5, 30]])
    changed = (images + added.view(2, 1, 1, 3)).to(torch.uint8)
    scale, offset = torch.rand(2, 3, 1, 1, dtype=torch.float64)
    for how in ("train", "image"):
        found = normalise(images, scale, offset, how, added.double())
        torch.testing.assert_close(found, normalise(changed, scale, offset, how))


def test_a_cohort_trains_and_validates_on_images_normalised_as_configured() -> None:
    data = make_data()
    by_image = Cohort([make_config(normalisation="image")], [0], data)
    expected = torch.from_numpy(
        np.stack([standardised(image) for image in data.val.images.numpy()])
    ).permute(0, 3, 1, 2)
    by_image.network.eval()
    with torch.no_grad():
        torch.testing.assert_close(by_image.logits(data.val), by_image.network(expected))
    [result] = by_image.train_epoch()
    [other] = Cohort([make_config(normalisation="train")], [0], data).train_epoch()
    assert result.train_loss != other.train_loss


def test_a_model_normalises_as_its_configuration_says() -> None:
    data = make_data(dtype=torch.float32)
    config = make_config(normalisation="image")
    cohort = Cohort([config], [0], data)
    cohort.train_epoch()
    model = Model(
        config=config,
        classes=("a", "b", "c"),
        channels=3,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        data_name="toy",
        data_digest="0123456789ab",
        metrics={},
        provenance={},
        state=cohort.member_state(0),
    )
    probs = model.probs(data.val.images.numpy(), torch.device("cpu"))
    expected = torch.softmax(cohort.logits(data.val)[0], dim=-1)
    np.testing.assert_allclose(probs, expected.numpy(), atol=1e-6)
