import json
from pathlib import Path

import pytest
import torch

from benchmarks.report import publish, verdict


def test_a_table_and_its_json_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    publish(
        [{"size": 1, "rate": 1234.5}],
        device=torch.device("cpu"),
        title="Rates",
        columns={"T": lambda one: str(one["size"]), "images/s": lambda one: f"{one['rate']:,.0f}"},
        path=path,
        lines=["graph: skipped"],
        roofline={"float32": 2.0},
    )
    shown, report = capsys.readouterr().out, json.loads(path.read_text())
    assert "1,234" in shown
    assert "graph: skipped" in shown
    assert report["hardware"]["processor"] in shown
    assert report["results"] == [{"size": 1, "rate": 1234.5}]
    assert report["roofline"] == {"float32": 2.0}
    assert report["notes"] == ["graph: skipped"]


@pytest.mark.parametrize(
    ("value", "is_most", "answer"),
    [
        (0.3, True, "at most 0.35 s: reached"),
        (0.4, True, "at most 0.35 s: missed"),
        (0.4, False, "at least 0.35 s: reached"),
        (0.3, False, "at least 0.35 s: missed"),
    ],
)
def test_a_verdict_knows_both_directions(value: float, is_most: bool, answer: str) -> None:
    assert answer in verdict("an epoch", value, 0.35, unit=" s", is_most=is_most)
