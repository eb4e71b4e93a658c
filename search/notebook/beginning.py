"""The entry of a new study: what is asked, before there is anything to tell."""

from collections.abc import Mapping
from typing import Any

from optuna.study import Study

from search.notebook.asked import number_studies, read_asked, write_asked
from search.notebook.copies import set_aside, write_copies
from search.notebook.entry import Subject, entry
from search.notebook.outcome import led_here
from search.space import Space
from search.storages.storage import Place


def begin(place: Place, study: Study, space: Space, pinned: Mapping[str, Any]) -> None:
    """Write what is known before the first trial.

    A `notebook.md` of another study of this name, whose storage is gone, is set aside.

    Args:
        pinned: what the study is pinned to, by attribute.
    """
    write_asked(study, space)
    number_studies(place.storage)
    set_aside(place, study.study_name)
    asked = read_asked(study)
    own = {**study.user_attrs, **pinned}
    earlier = led_here(place.storage, own, asked.builds_on)
    subject = Subject(study.study_name, asked, pinned, earlier)
    head = entry(subject, None)
    write_copies(place, study, in_note=head, in_file=head)
