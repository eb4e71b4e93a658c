import numpy as np
import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.inputs.batches import View, epoch_batches
from mame_cnn.inputs.colours import colour_axes, colour_changes, draw_colours
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config, make_data


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    random = np.random.default_rng(0)
    mixed = random.normal(0, 1, (70, 5, 5, 3)) @ np.array([[40, 30, 20], [0, 15, -5], [3, 0, 6]])
    shown: np.ndarray = (128 + mixed).clip(0, 255).astype(np.uint8)
    return shown


def test_axes_are_the_principal_components_of_all_pixels(images: np.ndarray) -> None:
    pixels = images.reshape(-1, 3) / 255
    axes = colour_axes(torch.from_numpy(images)).numpy()
    # What a component is, without asking an eigensolver: the covariance scales it.
    covariance = np.cov(pixels.T, bias=True)
    lengths = np.linalg.norm(axes, axis=1)
    components = axes / lengths[:, None]
    np.testing.assert_allclose(components @ components.T, np.eye(3), atol=1e-10)
    for component, variance in zip(components, lengths, strict=True):
        np.testing.assert_allclose(covariance @ component, variance * component, atol=1e-12)
    assert lengths.sum() == pytest.approx(pixels.var(axis=0).sum())


def test_a_components_direction_does_not_hang_on_the_solver(images: np.ndarray) -> None:
    axes = colour_axes(torch.from_numpy(images))
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_grey_images_change_in_brightness_alone() -> None:
    grey = torch.randint(0, 256, (9, 4, 4, 1), generator=generator("grey"), dtype=torch.uint8)
    expected = grey.double().div(255).var(correction=0)
    torch.testing.assert_close(colour_axes(grey), expected.view(1, 1))
    coloured = colour_axes(grey.expand(-1, -1, -1, 3))
    torch.testing.assert_close(
        coloured[2], torch.full((3,), expected.item() * 3 / 3**0.5).double()
    )
    torch.testing.assert_close(coloured[:2], torch.zeros(2, 3).double(), rtol=0, atol=1e-12)


def test_changes_are_sums_of_components_as_drawn() -> None:
    axes = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0], [0.5, 0.0, -0.5]])
    drawn = torch.tensor([[1.0, 0.0, 0.0], [2.0, -1.0, 4.0]])
    expected = 255 * torch.tensor([[1.0, 2.0, 3.0], [4.0, 3.0, 4.0]])
    torch.testing.assert_close(colour_changes(drawn, axes), expected)


def test_what_multiplies_the_components_is_normal() -> None:
    drawn = draw_colours(100_000, 3, generator("many"))
    torch.testing.assert_close(drawn.mean(0), torch.zeros(3), rtol=0, atol=0.02)
    torch.testing.assert_close(drawn.T @ drawn / 1e5, torch.eye(3), rtol=0, atol=0.03)


def test_each_image_of_a_batch_is_shifted_as_a_whole_and_nothing_else_changes() -> None:
    data = make_data(n_train=16)

    def batch(color_pca_sd: float) -> torch.Tensor:
        view = View(0, make_config(flip_horizontal=0.5, color_pca_sd=color_pca_sd).augmentation)
        [(images, _), _] = epoch_batches(data, [view], batch_size=8, data_seed=3)
        return images

    shifts = (batch(0.1) - batch(0.0)) / data.scale  # [N, C, H, W] in grey levels
    of_image = shifts[:, :, :1, :1]
    torch.testing.assert_close(shifts, of_image.expand_as(shifts), rtol=0, atol=1e-9)
    drawn = draw_colours(16, 3, generator(3, "colours", 0)).double()
    expected = 0.1 * colour_changes(drawn, data.train.colour_axes)
    torch.testing.assert_close(of_image.flatten(1), expected[:8], rtol=0, atol=1e-9)
    assert of_image.abs().max() > 1
    torch.testing.assert_close(batch(0.2) - batch(0.0), 2 * shifts * data.scale)


def test_members_with_and_without_it_train_together_as_alone() -> None:
    data = make_data()
    configs = [make_config(color_pca_sd=0.5), make_config(seed=2)]
    together = Cohort(configs, [0, 1], data).train_epoch()
    alone = [Cohort([config], [0], data).train_epoch()[0] for config in configs]
    for one, other in zip(together, alone, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-9)
    [plain] = Cohort([make_config()], [0], data).train_epoch()
    assert plain.train_loss != alone[0].train_loss


def test_validation_images_keep_their_colours() -> None:
    data = make_data()
    cohort = Cohort([make_config(color_pca_sd=0.5)], [0], data)
    cohort.network.eval()
    with torch.no_grad():
        expected = cohort.network(data.normalise(data.val.images))
    torch.testing.assert_close(cohort.logits(data.val), expected)
