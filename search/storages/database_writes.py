"""Optuna's database storage, which begins a trial that is drawn already in a few statements.

Its own way asks for the trial and for the parameter's distribution again before each parameter:
a hundred round trips for thirty parameters, while others wait for the lock of the claims.
"""

import json
from copy import copy

from optuna.distributions import (
    distribution_to_json,
)
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy.orm import Session


class Database(RDBStorage):
    """Writes all that a new trial begins with at once; everything else is Optuna's."""

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        if template_trial is None:
            return super()._get_prepared_new_trial(study_id, None, session)
        bare = copy(template_trial)
        bare.params, bare.distributions = {}, {}
        bare.user_attrs, bare.system_attrs = {}, {}
        trial = super()._get_prepared_new_trial(study_id, bare, session)
        rows = template_trial.distributions
        session.add_all(
            models.TrialParamModel(
                trial_id=trial.trial_id,
                param_name=name,
                param_value=rows[name].to_internal_repr(value),
                distribution_json=distribution_to_json(rows[name]),
            )
            for name, value in template_trial.params.items()
        )
        for model, attributes in (
            (models.TrialUserAttributeModel, template_trial.user_attrs),
            (models.TrialSystemAttributeModel, template_trial.system_attrs),
        ):
            session.add_all(
                model(trial_id=trial.trial_id, key=key, value_json=json.dumps(value))
                for key, value in attributes.items()
            )
        return trial
