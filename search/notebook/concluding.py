"""The entry of a study that has trials: all five headings, written anew."""

from collections.abc import Sequence

from optuna.study import Study

from search.comparing.evidence import Evidence, gather
from search.files.artifacts import Artifacts
from search.notebook.asked import Asked, read_asked
from search.notebook.copies import write_copies
from search.notebook.entry import Subject, entry
from search.notebook.outcome import led_here, write_outcome
from search.notebook.pictures import Picture, keep_pictures
from search.storages.storage import Place

_N_ENDED = "notebook_trials"
"""The study attribute with how many trials had ended when the entry was written last."""


def conclude(place: Place, study: Study, artifacts: Artifacts | None) -> Evidence:
    """Write outcomes and observations, and return what they stand on.

    What a person has written is kept. The lock is held while they are written, not while the
    evidence is gathered, which may take minutes; what others have written meanwhile of more
    trials stays.

    Args:
        artifacts: the files of the trials; None: there are none, and accuracies stand alone.
    """
    asked = read_asked(study)
    evidence = gather(place, study, artifacts, asked.builds_on)
    pictures = keep_pictures(place, study, evidence.standing.best, artifacts)
    with place.lock:
        written = study.user_attrs.get(_N_ENDED)
        if not isinstance(written, int) or written <= evidence.standing.n_ended:
            _write(place, study, asked, evidence, pictures)
    return evidence


def _write(
    place: Place, study: Study, asked: Asked, evidence: Evidence, pictures: Sequence[Picture]
) -> None:
    write_outcome(study, evidence)
    earlier = led_here(place.storage, study.user_attrs, asked.builds_on)
    subject = Subject(study.study_name, asked, study.user_attrs, earlier)
    write_copies(
        place,
        study,
        in_note=entry(subject, evidence, {one.caption: one.in_note for one in pictures}),
        in_file=entry(subject, evidence, {one.caption: one.in_file for one in pictures}),
    )
    n_ended = evidence.standing.n_ended
    if study.user_attrs.get(_N_ENDED) != n_ended:
        study.set_user_attr(_N_ENDED, n_ended)
