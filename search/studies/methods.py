"""How a study has been searched: each sampler and pruner that it was begun or continued with.

Nothing is refused for it, as it changes which trials are run and not what their values mean; it is
kept for who reads the study later.
"""

from collections.abc import Mapping
from typing import Any

import optuna

from search.studies.study import OpenStudy

ATTRIBUTE = "searched_with"


def method(sampler: str, pruner: str, cohort: int | None) -> dict[str, str]:
    """Return how a search goes about it, as the study keeps it.

    Args:
        cohort: how many trials train together at most; None: as many as train fastest.
    """
    together = "auto" if cohort is None else str(cohort)
    return {
        "sampler": sampler,
        "pruner": pruner,
        "cohort": together,
        "optuna": optuna.__version__,
    }


def read_methods(attrs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return all methods among a study's attributes, in the order of their first use."""
    kept = attrs.get(ATTRIBUTE)
    return (
        [dict(one) for one in kept if isinstance(one, Mapping)] if isinstance(kept, list) else []
    )


def keep_method(opened: OpenStudy, used: Mapping[str, str]) -> None:
    """Keep a method on the study, unless it is there."""
    if used in read_methods(opened.study.user_attrs):
        return
    with opened.place.lock:
        methods = read_methods(opened.study.user_attrs)
        if used not in methods:  # another worker has not been faster
            opened.study.set_user_attr(ATTRIBUTE, [*methods, dict(used)])
