from typing import Any

import pytest
import torch

from mame_cnn.inputs import batch_images as module
from mame_cnn.inputs.augmentation import augment, draw
from mame_cnn.inputs.batch_images import batch_images
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config, make_data

AUGMENTATIONS: list[dict[str, Any]] = [
    {},
    {"rotation_degrees": 30.0, "shift_x_fraction": 0.1, "flip_horizontal": 0.5},
    {"crop_pad_px": 2, "flip_vertical": 0.5},
]


@pytest.mark.parametrize("params", AUGMENTATIONS)
@pytest.mark.parametrize("piece_bytes", [1, 3 * 8 * 8 * 3 * 8, 2**30])
def test_pieces_make_the_batch_that_one_go_makes(
    params: dict[str, Any], piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", piece_bytes)
    data = make_data()
    augmentation = make_config(**params).augmentation
    drawn = draw(len(data.train), generator("draws")).double()
    images = data.train.images
    batch = batch_images(data, images, drawn, augmentation)
    torch.testing.assert_close(
        batch, augment(data.normalise(images), drawn, augmentation), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("params", AUGMENTATIONS)
def test_a_batch_has_the_type_and_layout_that_convolutions_read(params: dict[str, Any]) -> None:
    data = make_data(dtype=torch.float32, precision=torch.bfloat16)
    drawn = draw(4, generator("draws"))
    augmentation = make_config(**params).augmentation
    batch = batch_images(data, data.train.images[:4], drawn, augmentation)
    assert batch.dtype == torch.bfloat16
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_normalised_images_have_the_stated_scale_and_offset() -> None:
    data = make_data()
    stored = data.train.images
    expected = stored.permute(0, 3, 1, 2).double() * data.scale - data.offset
    torch.testing.assert_close(data.normalise(stored), expected, rtol=0, atol=1e-12)
