"""What fragments of records were about, as far as they still tell, in words."""

import re

from search.storages.journal_line import Op
from search.storages.journal_numbers import Numbers

_SHOWN = 60  # bytes of a fragment's beginning
_NAME = rb'"((?:[^"\\]|\\.)*)'  # up to its end, or to where it was cut


def began(content: bytes) -> str:
    """Return the beginning of a fragment, safe to print."""
    head = content[:_SHOWN].decode("latin-1").encode("unicode_escape").decode()
    return head + ("..." if len(content) > _SHOWN else "")


def about(content: bytes, numbers: Numbers) -> str | None:
    """Say what a fragment was about; None if it does not tell."""
    op = number(content, "op_code")
    study, trial = number(content, "study_id"), number(content, "trial_id")
    of_study = "a study" if study is None else numbers.study(study)
    of_trial = "a trial" if trial is None else numbers.trial(trial)
    match op:
        case Op.CREATE_STUDY:
            return f"the beginning of study {name(content, 'study_name') or '?'}"
        case Op.DELETE_STUDY:
            return f"the deletion of {of_study}"
        case Op.SET_STUDY_USER_ATTR | Op.SET_STUDY_SYSTEM_ATTR:
            return f"{of_study}, {_attribute(content)}"
        case Op.CREATE_TRIAL:
            return f"the beginning of a trial of {of_study}"
        case Op.SET_TRIAL_PARAM:
            return f"{of_trial}, parameter {name(content, 'param_name') or '?'}"
        case Op.SET_TRIAL_STATE_VALUES:
            return f"{of_trial}, its {'start' if number(content, 'state') == 0 else 'end'}"
        case Op.SET_TRIAL_INTERMEDIATE_VALUE:
            epoch = number(content, "step")
            return f"{of_trial}, report of epoch {'?' if epoch is None else epoch}"
        case Op.SET_TRIAL_USER_ATTR | Op.SET_TRIAL_SYSTEM_ATTR:
            return f"{of_trial}, {_attribute(content)}"
    return None


def number(content: bytes, field: str) -> int | None:
    """Return a field of a fragment that is a whole number."""
    found = re.search(rb'"%s":(\d{1,18})[,}]' % field.encode(), content)
    return int(found[1]) if found else None


def name(content: bytes, field: str) -> str | None:
    """Return a field of a fragment that is a text, as far as it is there, safe to print."""
    found = re.search(rb'"%s":%s' % (field.encode(), _NAME), content)
    return began(found[1]) if found else None


def _attribute(content: bytes) -> str:
    found = re.search(rb'_attr":\{%s' % _NAME, content)
    return f"attribute {began(found[1])}" if found else "an attribute"
