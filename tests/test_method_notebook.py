"""docs/method.ipynb, executed cell by cell at toy size; no outputs are stored in it."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "method.ipynb"
TOY = {"TRIALS": 2, "EPOCHS": 2, "FINAL_EPOCHS": 2}


def cells() -> list[dict[str, Any]]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    found: list[dict[str, Any]] = content["cells"]
    return found


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_no_output_is_stored_and_every_cell_has_its_own_name() -> None:
    for cell in cells():
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    ids = [cell["id"] for cell in cells()]
    assert len(set(ids)) == len(ids)


def test_it_takes_all_steps_of_the_method_in_their_order() -> None:
    headings = [
        source(cell).splitlines()[0] for cell in cells() if cell["cell_type"] == "markdown"
    ]
    page = (NOTEBOOK.parent / "method.md").read_text(encoding="utf-8").splitlines()
    steps = [line for line in page if line[:4].removeprefix("## ").isdigit()]
    assert [heading for heading in headings if heading in steps] == steps
    assert len(steps) == 7


@pytest.mark.slow
def test_every_cell_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # Classes that are defined in it look their module up.
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells():
        if cell["cell_type"] != "code":
            continue
        code = compile(source(cell), f"{NOTEBOOK.name}, {cell['id']}", "exec")
        exec(code, space)
        if "parameters" in cell["metadata"].get("tags", ()):
            space |= TOY
    said = capsys.readouterr().out
    assert "always the largest class" in said
    assert "refused: the test set" in said
    assert space["tested"].findings.name == "test"
    assert len(space["own"].study.get_trials()) == TOY["TRIALS"]
    assert {path.name for path in tmp_path.iterdir()} == {"studies"}
