"""Optuna's journal storage, which begins a drawn trial in two writes, a line for each fact."""

from collections.abc import Iterator
from copy import copy
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from search.storages.journal_line import Op


class JournalLines(JournalStorage):
    """Writes what a running trial begins with in lines of their own; all else is Optuna's.

    Optuna would put all of it into the line that begins the trial, with which a damaged line would
    take everything. So it takes one parameter, which the next search draws again.
    """

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial, and return its id."""
        if template_trial is None or template_trial.state != TrialState.RUNNING:
            return super().create_new_trial(study_id, template_trial)
        bare = copy(template_trial)
        bare.params, bare.distributions = {}, {}
        bare.user_attrs, bare.system_attrs = {}, {}
        trial_id = super().create_new_trial(study_id, bare)
        with self._thread_lock:
            who = self._replay_result.worker_id
            self._backend.append_logs(
                [
                    {"op_code": int(op), "worker_id": who, "trial_id": trial_id, **fact}
                    for op, fact in _facts(template_trial)
                ]
            )
            self._sync_with_backend()
        return trial_id


def _facts(trial: FrozenTrial) -> Iterator[tuple[Op, dict[str, Any]]]:
    """Yield what a trial begins with, each as kind and content of a record about it."""
    for key, value in trial.user_attrs.items():
        yield Op.SET_TRIAL_USER_ATTR, {"user_attr": {key: value}}
    for key, value in trial.system_attrs.items():
        yield Op.SET_TRIAL_SYSTEM_ATTR, {"system_attr": {key: value}}
    for name, value in trial.params.items():
        row = trial.distributions[name]
        yield (
            Op.SET_TRIAL_PARAM,
            {
                "param_name": name,
                "param_value_internal": row.to_internal_repr(value),
                "distribution": distribution_to_json(row),
            },
        )
