"""Numbers of studies and trials, as Optuna counts them: by the order of their first records.

So when such a record is lost, all that were begun later take each other's names.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from search.storages.journal_line import Op

Kind = Literal["study", "trial"]


class Numbers:
    """What has been begun up to some record of a journal."""

    def __init__(self) -> None:
        self.n_studies = 0
        self.names: dict[int, str] = {}
        """Of studies, deleted ones included, by id."""
        self.trials: list[tuple[int, int]] = []
        """By id: the study's id, and the number in it."""
        self._live: set[int] = set()
        self._n_trials: Counter[int] = Counter()

    def unknown(self, record: Mapping[str, Any]) -> Kind | None:
        """Tell whether a record is about something that nothing before it has begun."""
        if record.get("study_id", -1) >= self.n_studies:
            return "study"
        return "trial" if record.get("trial_id", -1) >= len(self.trials) else None

    def n_missing(self, record: Mapping[str, Any]) -> int:
        """Return how many beginnings are missing before an unknown record."""
        if self.unknown(record) == "study":
            return int(record["study_id"]) + 1 - self.n_studies
        return int(record["trial_id"]) + 1 - len(self.trials)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count what a record begins or deletes."""
        match record["op_code"]:
            case Op.CREATE_STUDY:
                if record["study_name"] not in {self.names[study] for study in self._live}:
                    self.names[self.n_studies] = record["study_name"]
                    self._live.add(self.n_studies)
                    self.n_studies += 1
            case Op.DELETE_STUDY:
                self._live.discard(record["study_id"])
            case Op.CREATE_TRIAL if (study := record["study_id"]) in self._live:
                self.trials.append((study, self._n_trials[study]))
                self._n_trials[study] += 1

    @property
    def newest_live_study(self) -> int | None:
        """The id of the study that was begun last."""
        return max(self._live, default=None)

    def study(self, study_id: int) -> str:
        """Return what people call a study."""
        return f"study {self.names[study_id]}" if study_id in self.names else "an unknown study"

    def trial(self, trial_id: int) -> str:
        """Return what people call a trial."""
        if trial_id >= len(self.trials):
            return "an unknown trial"
        study, number = self.trials[trial_id]
        return f"trial {number} of {self.study(study)}"
