"""Writing an entry while others search: nobody waits, and nothing newer is overwritten."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna_dashboard import get_note

from search.comparing.evidence import Evidence, gather
from search.notebook.__main__ import main as write_notebook
from search.notebook.concluding import conclude
from search.report.__main__ import main as write_report
from tests.search.small_studies import opened_in, searched, trials_in


def meanwhile(act: Callable[[], object], patched: pytest.MonkeyPatch) -> None:
    """Act once, after evidence has been gathered and before it is written."""
    is_over = False

    def gathered(*given: Any) -> Evidence:
        nonlocal is_over
        evidence = gather(*given)
        if not is_over:
            is_over = True
            act()
        return evidence

    patched.setattr("search.notebook.concluding.gather", gathered)


@pytest.mark.parametrize("command", [write_report, write_notebook])
def test_trials_are_claimed_and_end_while_the_evidence_is_gathered(
    command: Callable[[list[str]], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched(tmp_path, 2)
    meanwhile(lambda: searched(tmp_path, 3), monkeypatch)
    name = ["small"] if command is write_report else []
    assert command([*name, "--storage", str(tmp_path / "journal.log")]) == 0
    assert len(trials_in(tmp_path)) == 3


def test_what_was_gathered_before_others_ended_their_trials_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched(tmp_path, 2)
    meanwhile(lambda: searched(tmp_path, 3), monkeypatch)
    opened = opened_in(tmp_path)
    assert conclude(opened.place, opened.study, None).standing.n_ended == 2
    assert "3 trials: 3 complete" in str(get_note(opened.study))
    assert "3 trials: 3 complete" in (tmp_path / "small" / "notebook.md").read_text()
    assert opened.study.user_attrs["outcome"].startswith("3 trials")
