"""Which images are chosen to be shown."""

import numpy as np

from mame_cnn.explaining.grad_cam import Explained, Explainer
from mame_cnn.explaining.heat_sheets import one_class
from mame_cnn.explaining.scene import Scene, View
from tests.mame_cnn.small_models import CPU, make_images, make_model

CLASSES = ("bronze", "clay")


def scene(probs_of_clay: list[float], labels: list[int]) -> Scene:
    clay = np.array(probs_of_clay)
    n = len(labels)
    empty = np.zeros((n, 2, 2), dtype=np.float16)
    explained = Explained(np.stack([1 - clay, clay], 1), np.array(labels), empty, empty)
    images = make_images(n)
    view = View("", Explainer(make_model(classes=CLASSES), CPU), images, explained)
    return Scene((view,), np.array(labels), [str(i) for i in range(n)], CLASSES)


def test_a_class_is_shown_from_its_surest_recognised_to_its_least() -> None:
    found = scene([0.9, 0.1, 0.5, 0.7, 0.3, 0.99], [1, 1, 1, 1, 1, 0])
    assert found.spread(1, 3).tolist() == [0, 2, 1]
    assert found.spread(1, 9).tolist() == [0, 3, 2, 4, 1]
    assert found.spread(0, 3).tolist() == [5]


def test_the_surest_answers_come_first_whatever_they_say() -> None:
    found = scene([0.9, 0.05, 0.5, 0.7], [0, 0, 0, 1])
    chosen = np.array([True, True, True, False])
    assert found.surest(chosen, 2).tolist() == [1, 0]


def test_some_images_can_be_looked_into_for_another_class() -> None:
    whole = scene([0.9, 0.1, 0.5], [1, 1, 0])
    part = whole.into(np.array([2, 0]), 0, None)
    assert part.names == ["2", "0"]
    assert part.labels.tolist() == [0, 1]
    assert part.first.explained.others.tolist() == [0, 0]
    np.testing.assert_array_equal(part.first.images[0], whole.first.images[2])


def test_a_class_that_is_neither_there_nor_answered_is_said_so() -> None:
    sheet = one_class(scene([0.1, 0.2], [0, 0]), 1, None)
    assert [section.title for section in sheet.sections] == [
        "no image of it, and none taken for it"
    ]
