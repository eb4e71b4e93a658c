"""What a study was begun with, kept as attributes: question, sources, and its number.

A notebook is written anew long after the space file has changed, so it does not read that file.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import Study

from search.space import Space

ATTRIBUTE, NUMBER = "notebook", "experiment"
"""The study attributes: what is asked, and the number in the index."""


@dataclass(frozen=True)
class Asked:
    """The question of a study, as plain values."""

    title: str
    previous: str = ""
    hypothesis: str = ""
    setup: str = ""
    builds_on: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where the ranges come from, by parameter."""
    baselines: tuple[Mapping[str, Any], ...] = ()
    """Trials that are tried first."""


def write_asked(study: Study, space: Space) -> None:
    """Keep what is asked on the study."""
    question = space.question
    asked = Asked(
        title=space.title,
        previous=question.previous,
        hypothesis=question.hypothesis,
        setup=question.setup,
        builds_on=question.builds_on,
        sources={row.name: row.source for row in space.parameters if row.source},
        baselines=tuple(dict(baseline) for baseline in space.baselines),
    )
    study.set_user_attr(ATTRIBUTE, asdict(asked))


def read_asked(study: Study) -> Asked:
    """Return what was asked; little more than the name for a study begun elsewhere."""
    kept = study.user_attrs.get(ATTRIBUTE)
    if not isinstance(kept, Mapping):
        return Asked(title=study.study_name)
    texts = {
        name: kept[name]
        for name in ("title", "previous", "hypothesis", "setup")
        if isinstance(kept.get(name), str)
    }
    sources, names, baselines = (kept.get(name) for name in ("sources", "builds_on", "baselines"))
    return Asked(
        **({"title": study.study_name} | texts),
        builds_on=tuple(map(str, names)) if isinstance(names, list | tuple) else (),
        sources=sources if isinstance(sources, Mapping) else {},
        baselines=tuple(one for one in baselines if isinstance(one, Mapping))
        if isinstance(baselines, list | tuple)
        else (),
    )


def number_studies(storage: BaseStorage) -> None:
    """Give each study without one the next number, in the order in which they were begun.

    A number is kept: what notes say of experiment 3 stays true when experiment 2 is deleted.
    """
    studies = sorted(storage.get_all_studies(), key=lambda study: study._study_id)
    taken = [
        number for study in studies if isinstance(number := study.user_attrs.get(NUMBER), int)
    ]
    following = max(taken, default=0) + 1
    for study in studies:
        if not isinstance(study.user_attrs.get(NUMBER), int):
            storage.set_study_user_attr(study._study_id, NUMBER, following)
            following += 1


def is_later(attrs: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Tell whether a study was begun after another, by their attributes."""
    number, own_number = attrs.get(NUMBER), own.get(NUMBER)
    return isinstance(number, int) and isinstance(own_number, int) and number > own_number
