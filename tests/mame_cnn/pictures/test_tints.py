import numpy as np

from mame_cnn.pictures.tints import heated, kernel, overlaid, plain, signals

GREY = np.full((4, 4, 3), 128, dtype=np.uint8)


def brightness(tile: np.ndarray) -> np.ndarray:
    found: np.ndarray = tile.astype(float).mean(2)
    return found


def test_heat_is_brightest_where_it_is_greatest_and_dark_where_there_is_none() -> None:
    heat = np.array([[1.0, 0.0], [0.0, 0.0]])
    tile = overlaid(GREY, heat, 40)
    assert tile.shape == (40, 40, 3)
    light = brightness(tile)
    assert light[:5, :5].min() > 150 > 128 > 60 > light[30:, 30:].max()
    alone = brightness(heated(heat, 40, 1.0))
    assert alone[30:, 30:].max() < 5 < 150 < alone[:5, :5].min()


def test_an_image_without_heat_is_still_to_be_seen() -> None:
    image = GREY.copy()
    image[:, 2:] = 255
    light = brightness(overlaid(image, np.zeros((2, 2)), 40))
    assert light[20, 35] > light[20, 5] + 30


def test_signs_have_colours_of_their_own_around_white() -> None:
    values = np.array([[-2.0, 0.0, 2.0]] * 3)
    tile = signals(values, 30, 2.0, is_signed=True)
    below, zero, above = (tile[15, x].astype(int) for x in (5, 15, 25))
    assert below[2] > below[0] + 50
    assert above[0] > above[2] + 50
    assert zero.min() > 240


def test_without_signs_0_is_the_darkest() -> None:
    light = brightness(signals(np.array([[0.0, 3.0]] * 2), 30, 3.0, is_signed=False))
    assert light[15, 5] < light[15, 25]
    assert np.ptp(signals(np.zeros((2, 2)), 30, 0.0, is_signed=False)[..., 0]) == 0


def test_a_kernel_is_the_image_that_it_looks_for() -> None:
    weights = np.zeros((3, 3, 3))
    weights[0, 0, 0], weights[2, 1, 1] = 2.0, -1.0
    tile = kernel(weights, 30)
    assert tile[5, 5].tolist() == [255, 128, 128]
    assert tile[15, 15].tolist() == [128, 128, 64]
    assert tile[25, 25].tolist() == [128, 128, 128]
    assert kernel(np.ones((1, 3, 3)), 30)[0, 0].tolist() == [255, 255, 255]


def test_small_images_keep_their_pixels() -> None:
    image = np.zeros((2, 2, 1), dtype=np.uint8)
    image[0, 0] = 255
    tile = plain(image, 20)
    assert (tile[:10, :10] == 255).all()
    assert (tile[10:] == 0).all()
