"""The index: all studies of a storage on one page, a line of hypothesis and outcome each."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optuna.study import Study

from search.notebook.asked import NUMBER, read_asked
from search.notebook.markdown import bullets, plain
from search.notebook.outcome import read_outcome
from search.trials.reading import is_counted

_LONGEST_LINE = 240  # characters of a hypothesis
_SENTENCE = re.compile(r"(.+?[.!?])(?:\s+[A-ZÀ-Þ]|\s*$)", re.S)
"""The first sentence: up to a full stop before a capital letter or the end."""


def index(studies: list[Study], files: Mapping[str, Path]) -> str:
    """Return the page as Markdown.

    Args:
        studies: by the number of the experiment.
        files: each study's entry by name, relative to the page.
    """
    numbers = {study.study_name: study.user_attrs.get(NUMBER) for study in studies}
    lines = [
        "# Notebook",
        f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}, in the order in which "
        "they were begun. Written by `python -m search.notebook`: edit the entries, not this.",
        "| no. | study | began | hypothesis | outcome | builds on |\n"
        "|---:|---|---|---|---|---|\n"
        + "\n".join(_row(study, numbers, files[study.study_name]) for study in studies),
    ]
    missing = sorted(
        {name for study in studies for name in read_asked(study).builds_on if name not in numbers}
    )
    if missing:
        lines.append(
            "Built on, but not in this storage:\n\n" + bullets(plain(name) for name in missing)
        )
    return "\n\n".join(lines) + "\n"


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, of bounded length."""
    line = " ".join(text.split())
    found = _SENTENCE.match(line)
    sentence = found.group(1) if found else line
    return sentence if len(sentence) <= _LONGEST_LINE else sentence[: _LONGEST_LINE - 1] + "…"


def _row(study: Study, numbers: Mapping[str, Any], path: Path) -> str:
    asked = read_asked(study)
    name = study.study_name
    title = "" if asked.title == name else f"{plain(asked.title)}, "
    link = f"{title}[{plain(name)}]({quote(path.as_posix())})"
    own = numbers[name]
    before = {one: number for one, number in numbers.items() if number and own and number < own}
    earlier = ", ".join(str(before.get(one) or plain(one)) for one in asked.builds_on)
    cells = (
        numbers[name],
        link,
        _began(study),
        plain(first_sentence(asked.hypothesis)) or "-",
        plain(read_outcome(study.user_attrs)),
        earlier or "-",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _began(study: Study) -> str:
    starts = [
        trial.datetime_start
        for trial in study.get_trials(deepcopy=False)
        if is_counted(trial) and trial.datetime_start is not None
    ]
    return f"{min(starts):%Y-%m-%d}" if starts else "-"
