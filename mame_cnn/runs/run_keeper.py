"""Keeping finished runs: each is written aside, then moved into its place as a whole."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.data.dataset import Dataset
from mame_cnn.runs.final_training import FinalTraining
from mame_cnn.runs.run_folder import RunFiles, place_run


@dataclass(frozen=True)
class RunKeeper:
    """Writes the runs of one command."""

    staging: Path
    """A folder of the command's own, beside the places of its runs."""
    dataset: Dataset
    environment: Mapping[str, str]
    splits: str
    """What was trained on: `train`, or `train+val`."""

    def keep(
        self,
        config: Config,
        provenance: Mapping[str, Any],
        training: FinalTraining,
        places: Iterable[Path],
    ) -> Path:
        """Write a run and put it into the first place that is free; return that.

        What the disk has no room for is kept in the folder for temporary files, and `UserError`
        says where.
        """
        trained = self._trained(training)
        files = RunFiles(config, training, self.dataset, {**provenance, "training": trained})
        try:
            folder = Path(tempfile.mkdtemp(dir=self.staging))
            folder.chmod(0o755)  # mkdtemp's 0700 would shut out others who share the runs
            files.write(folder)
        except OSError as error:
            rescue = Path(tempfile.mkdtemp(prefix="run-"))
            files.write(rescue)
            raise UserError(
                f"{self.staging.parent}: {error.strerror}; the finished run is kept in {rescue}"
            ) from error
        return place_run(folder, places)

    def _trained(self, training: FinalTraining) -> dict[str, Any]:
        """Return the provenance of a training, beside that of the search."""
        return {
            "data_name": self.dataset.name,
            "data_source": self.dataset.source,
            "data_digest": self.dataset.digest,
            "splits": self.splits,
            "best_epoch": training.best.epoch,
            **({"val_accuracy": training.best.val_accuracy} if training.is_validated else {}),
            "environment": dict(self.environment),
        }
