"""Training a search's winner again, with fresh seeds: what it is worth without its luck."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.arms import Task
from benchmarks.search_runs import Run
from commands.errors import UserError
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.inputs.device_data import DeviceData, to_device
from mame_cnn.runs.final_training import train_to_the_end
from mame_cnn.seeds import derive_seed
from search.space import Space, Value


@dataclass(frozen=True)
class Retraining:
    """Trains winners of all arms by the same means, all with the same seeds."""

    space: Space
    task: Task
    data: DeviceData
    n_seeds: int

    @classmethod
    def of(cls, space: Space, task: Task, n_seeds: int, cache: Path) -> "Retraining":
        """Read the data of a task."""
        dataset = load_dataset(str(task.data), task.image_size, cache, progress=False)
        return cls(space, task, to_device(dataset, choose_device(task.device)), n_seeds)

    def __call__(self, run: Run) -> Run:
        """Return the run with its winner's accuracies, each of the best epoch; 0 for a failure."""
        if not run.winner or len(run.retrained) == self.n_seeds:
            return run
        accuracies = tuple(self._accuracy(run.winner, number) for number in range(self.n_seeds))
        return replace(run, retrained=accuracies)

    def _accuracy(self, params: Mapping[str, Value], number: int) -> float:
        seed = derive_seed("retraining of the search benchmark", number)
        config = config_from_params(
            {**self.space.fixed, **params},
            source=str(self.task.data),
            image_size=self.task.image_size,
            epochs=self.task.epochs,
            seed=seed,
            data_seed=seed,
        )
        try:
            return train_to_the_end(config, self.data, lambda _: None).best.val_accuracy
        except UserError:  # its loss is not finite from the first epoch on
            return 0.0
