"""The entry of a study that has trials: all five headings, written anew."""

from optuna.study import Study

from search.artifacts import Artifacts
from search.evidence import Evidence, gather
from search.notebook.asked import read_asked
from search.notebook.copies import write_copies
from search.notebook.entry import Subject, entry
from search.notebook.outcome import led_here, write_outcome
from search.notebook.pictures import keep_pictures
from search.storage import Place


def conclude(place: Place, study: Study, artifacts: Artifacts | None) -> Evidence:
    """Write outcomes and observations, and return what they stand on.

    What a person has written is kept.

    Args:
        artifacts: the files of the trials; None: there are none, and accuracies stand alone.
    """
    asked = read_asked(study)
    evidence = gather(place, study, artifacts, asked.builds_on)
    write_outcome(study, evidence)
    earlier = led_here(place.storage, asked.builds_on)
    subject = Subject(study.study_name, asked, study.user_attrs, earlier)
    pictures = keep_pictures(place, study, evidence.standing.best, artifacts)
    write_copies(
        place,
        study,
        in_note=entry(subject, evidence, {one.caption: one.in_note for one in pictures}),
        in_file=entry(subject, evidence, {one.caption: one.in_file for one in pictures}),
    )
    return evidence
