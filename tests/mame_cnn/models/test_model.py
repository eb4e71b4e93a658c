from dataclasses import replace

import numpy as np
import pytest
import torch

from commands.errors import UserError
from mame_cnn.models.model import Model, weights_digest
from tests.mame_cnn.factory import plain_of
from tests.mame_cnn.plain import plain_network
from tests.mame_cnn.small_models import CPU, make_images, make_model

IMAGES = make_images()


def plain_probs(model: Model) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return what torch.nn's own modules make of the images, in float64."""
    plain = plain_network(
        plain_of(model.config),
        channels=model.channels,
        image_size=model.image_size,
        n_classes=len(model.classes),
    )
    plain.load_state_dict(dict(model.state), strict=False)  # ours count no batches
    pixels = torch.tensor(IMAGES / 255 - model.mean) / torch.tensor(model.std)
    with torch.no_grad():
        logits = plain.double().eval()(pixels.permute(0, 3, 1, 2))
    probs: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = logits.softmax(1).numpy()
    return probs


@pytest.mark.parametrize("head", ["flatten", "average"])
def test_probabilities_are_those_of_a_plain_network_on_normalised_images(head: str) -> None:
    model = make_model(head=head, batch_norm="after")
    probs = model.probs(IMAGES, CPU)
    np.testing.assert_allclose(probs, plain_probs(model), atol=1e-5)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-12)
    assert probs.dtype == np.float64


def test_batches_do_not_change_probabilities() -> None:
    model = make_model()
    together, by_fours = (model.probs(IMAGES, CPU, batch=batch) for batch in (256, 4))
    np.testing.assert_allclose(by_fours, together, atol=1e-6)


def test_images_that_must_not_be_written_to_are_taken() -> None:
    images = IMAGES.copy()
    images.setflags(write=False)
    np.testing.assert_array_equal(make_model().probs(images, CPU), make_model().probs(IMAGES, CPU))


def test_probabilities_over_views_are_their_mean() -> None:
    model = make_model()
    mirrored = np.ascontiguousarray(IMAGES[:, :, ::-1])
    expected = (model.probs(IMAGES, CPU) + model.probs(mirrored, CPU)) / 2
    np.testing.assert_allclose(model.probs(IMAGES, CPU, views="flips"), expected, atol=1e-6)


def test_an_answer_that_is_not_finite_is_an_error() -> None:
    model = make_model()
    huge = {name: torch.full_like(tensor, 1e38) for name, tensor in model.state.items()}
    with pytest.raises(UserError, match="6 of 6 images are not finite"):
        replace(model, state=huge).probs(IMAGES, CPU)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        make_model().probs(make_images(2, 16), CPU)


def test_the_digest_tells_weights_names_and_shapes_apart() -> None:
    state = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    others = [
        {**state, "b": torch.full((1,), 1.0000001)},
        {**state, "a": torch.zeros(3, 2)},
        {"a": state["a"], "c": state["b"]},
        {**state, "b": torch.ones(1, dtype=torch.float64)},
    ]
    digests = {weights_digest(each) for each in [state, *others]}
    assert len(digests) == 5
    assert weights_digest(dict(reversed(state.items()))) == weights_digest(state)
