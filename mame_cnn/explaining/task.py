"""One or two networks and how they are looked at: what is found, and what limits it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mame_cnn.data.dataset import Dataset, Labels
from mame_cnn.data.load import load_dataset
from mame_cnn.explaining.folder import Explanation
from mame_cnn.explaining.layers import check_names, last_activations
from mame_cnn.explaining.scene import Scene, View
from mame_cnn.explaining.subjects import Asked, Subject, given, validation

COARSE_PX = 4
"""A layer of fewer pixels a side tells hardly more than that something was somewhere."""


@dataclass(frozen=True, eq=False)
class Task:
    """Networks, and how they are looked at."""

    subjects: tuple[Subject, ...]
    source: str
    labels: tuple[int, ...]
    """Classes that were asked for."""
    given: tuple[str, ...]
    """Images that were asked for; the validation images where there are none."""
    layers: tuple[str, ...]
    heat_layer: str | None
    progress: bool

    def check_layers(self) -> None:
        """Raise `UserError` for layers that a network does not have."""
        heat_layers = [] if self.heat_layer is None else [self.heat_layer]
        for subject in self.subjects:
            layers, path = subject.explainer.layers, str(subject.path)
            check_names(self.layers, layers, "--layers", path)
            check_names(heat_layers, layers, "--heat-layer", path)

    def explanation(self) -> tuple[Explanation, list[str]]:
        """Look at all images; return what was found, and what a reader must know of it."""
        notes: list[str] = []
        if self.given:
            asked = given(self.given, self.subjects, self.source, self._load)
        else:
            asked, dataset = validation(self.subjects, self._load)
            notes += _notes_on_data(self.subjects, dataset)
        scene = self._scene(asked)
        notes += _notes_on_layer(self, scene)
        layers = [
            self.layers or tuple(last_activations(subject.explainer.layers))
            for subject in self.subjects
        ]
        is_validation = not self.given
        return Explanation(scene, is_validation, self.labels, self.heat_layer, layers), notes

    def heat_layer_of(self, subject: Subject) -> str:
        """Return the layer whose maps are looked at."""
        return self.heat_layer or subject.explainer.default_layer

    def _scene(self, asked: Asked) -> Scene:
        into: Labels | None = asked.labels
        if self.given:  # the second most probable classes, unless one was asked for
            into = np.full_like(asked.labels, self.labels[0]) if self.labels else None
        views = tuple(
            View(
                subject.name,
                subject.explainer,
                images,
                subject.explainer.explain(images, into, self.heat_layer),
            )
            for subject, images in zip(self.subjects, asked.images, strict=True)
        )
        return Scene(views, asked.labels, asked.names, self.subjects[0].model.classes)

    def _load(self, image_size: int) -> Dataset:
        """Return train and validation images; test images are not opened."""
        return load_dataset(self.source, image_size, progress=self.progress)


def _notes_on_data(subjects: Sequence[Subject], dataset: Dataset) -> Iterator[str]:
    for subject in subjects:
        model = subject.model
        if model.image_size == dataset.image_size and model.data_digest != dataset.digest:
            yield (
                f"note: {subject.path} was trained on data {model.data_digest} "
                f"({model.data_name}); this is data {dataset.digest} ({dataset.name})"
            )
        if model.saw_val:
            yield f"note: {subject.path} was trained on these validation images too"


def _notes_on_layer(task: Task, scene: Scene) -> Iterator[str]:
    for subject, view in zip(task.subjects, scene.views, strict=True):
        side = view.explained.for_answer.shape[1]
        layer = task.heat_layer_of(subject)
        names = last_activations(subject.explainer.layers)
        if side < COARSE_PX and layer != names[0]:
            finer = names[max(0, names.index(layer) - 1)] if layer in names else names[0]
            yield (
                f"note: {layer} of {subject.path} has {side} x {side} pixels only, so its heat is "
                f"coarse; --heat-layer {finer} is finer"
            )
