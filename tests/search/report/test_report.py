import base64
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note, save_note

from commands.errors import UserError
from search.files.artifacts import Artifacts
from search.report.__main__ import main
from search.space import Question
from search.trainer import Member
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.predicting import left_by
from tests.search.small_studies import opened_in, searched

HOSTILE = ("<b>&\"'/", "</script><script>alert(1)</script>", "陶磁器", "وثيقة %{x}")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.is_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.is_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.is_script = False

    def handle_data(self, data: str) -> None:
        if not self.is_script:
            self.text.append(data)


def predicting(*, classes: tuple[str, ...] = HOSTILE) -> FakeTrainer:
    def files(member: Member) -> Mapping[str, bytes]:
        return left_by(range(20 + member.key))

    data = {"name": "<i>paintings", "source": "x", "digest": "d" * 12, "classes": list(classes)}
    return FakeTrainer(files=files, data=data)


def reported(folder: Path, name: str = "small") -> str:
    storage, artifacts = str(folder / "journal.log"), str(folder / "artifacts")
    assert main([name, "--storage", storage, "--artifacts", artifacts]) == 0
    return (folder / name / "report.html").read_text(encoding="utf-8")


def figures_of(html: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)
    assert found is not None
    figures: list[dict[str, object]] = json.loads(found.group(1))
    return figures


def test_energy_stands_in_report_and_notebook_where_it_is_known(tmp_path: Path) -> None:
    metered = FakeTrainer(more_metrics=lambda member, epoch: {"energy_j": 450.0})
    for name, trainer in (("metered", metered), ("unmetered", FakeTrainer())):
        searched(tmp_path, 1, trainer=trainer, name=name, artifacts=tmp_path / "artifacts")
    assert Reader(reported(tmp_path, "metered")).text.count("1 Wh") == 1
    assert "Energy of the device: 1 Wh." in (tmp_path / "metered" / "notebook.md").read_text()
    text = "".join(Reader(reported(tmp_path, "unmetered")).text)
    assert "epochs saved by pruning" in text
    assert "Energy is" not in text
    assert "nergy of the device" not in text


def test_the_report_has_every_part(tmp_path: Path) -> None:
    searched(tmp_path, 6, trainer=predicting(), artifacts=tmp_path / "artifacts")
    html = reported(tmp_path)
    tags = Reader(html).tags
    assert "time in training" in Reader(html).text  # a duration, no count
    anchors = [attrs["id"] for tag, attrs in tags if tag == "section"]
    assert anchors == [
        *("overview", "notebook", "history", "curves", "diagnosis", "comparison"),
        *("parameters", "confusions", "cost", "trials"),
    ]
    places = [attrs["data-figure"] for _, attrs in tags if "data-figure" in attrs]
    assert places == [str(number) for number in range(len(figures_of(html)))]


def test_the_report_asks_the_network_for_nothing(tmp_path: Path) -> None:
    searched(tmp_path, 3, trainer=predicting(), artifacts=tmp_path / "artifacts")
    save_note(opened_in(tmp_path, trainer=predicting()).study, "![x](https://example.org/x.png)")
    html = reported(tmp_path)
    tags = Reader(html).tags
    assert not [attrs for tag, attrs in tags if tag in ("img", "iframe", "object", "embed")]
    assert not [attrs for tag, attrs in tags if "src" in attrs]
    assert [attrs["href"] for tag, attrs in tags if tag == "link"] == ["data:,"]
    policy = next(attrs["content"] or "" for tag, attrs in tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    assert len(re.findall(r"'sha256-[\w+/=]+'", policy)) == 2


def test_names_are_shown_letter_by_letter_and_inject_nothing(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> &\"'"
    question = Question("<script>alert(2)</script>", "[x](javascript:alert(3))", "**bold** </p>")
    space = replace(SPACE, title="<h1>&</h1>", question=question)
    searched(
        tmp_path,
        3,
        name=name,
        space=space,
        trainer=predicting(),
        artifacts=tmp_path / "artifacts",
    )
    html = reported(tmp_path, name)
    reader = Reader(html)
    text = "".join(reader.text)
    for part in (name, "<h1>&</h1>", "<i>paintings", "<script>alert(2)</script>", *HOSTILE[:2]):
        assert part in text, part
    assert [tag for tag, _ in reader.tags].count("script") == 3
    assert not [attrs for _, attrs in reader.tags if "onerror" in attrs]
    assert not [a for _, a in reader.tags if (a.get("href") or "").startswith("javascript")]
    shown = json.dumps(figures_of(html), ensure_ascii=False)
    assert "&lt;b&gt;&amp;" in shown
    assert "<script" not in shown


def test_the_data_are_pictured_in_the_page_itself(tmp_path: Path) -> None:
    classes = ("clay", "<b>iron")
    data = {"digest": "d" * 12, "classes": classes, "counts": {"train": [7, 5], "val": [2, 0]}}
    study = opened_in(tmp_path, trainer=FakeTrainer(data=data)).study
    sheets = {"contact_sheet.jpg": b"a sheet", "mean_images.jpg": b"means"}
    Artifacts(tmp_path / "artifacts").keep(study, sheets)
    html = reported(tmp_path)
    reader = Reader(html)
    sources = [attrs["src"] or "" for tag, attrs in reader.tags if tag == "img"]
    for source, content in zip(sources, sheets.values(), strict=True):
        kind, _, text = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        assert base64.b64decode(text) == content
    assert "12" in reader.text  # training images
    assert "5 and 7" in reader.text
    [figure] = figures_of(html)
    assert "&lt;b&gt;iron" in json.dumps(figure)


@pytest.mark.parametrize("counts", [None, 3, {}, {"train": [1]}, {"train": ["1", "2"]}])
def test_counts_that_make_no_sense_are_not_drawn(tmp_path: Path, counts: object) -> None:
    data = {"digest": "d" * 12, "classes": ["clay", "iron"], "counts": counts}
    opened_in(tmp_path, trainer=FakeTrainer(data=data))
    assert 'id="data"' not in reported(tmp_path)


def test_pictures_of_the_note_are_not_in_the_report(tmp_path: Path) -> None:
    trainer = FakeTrainer(files=lambda member: {"learning_curves.png": b"curves"})
    searched(tmp_path, 2, trainer=trainer, artifacts=tmp_path / "artifacts")
    assert "](/artifacts/" in get_note(opened_in(tmp_path).study)
    assert "/artifacts/" not in "".join(Reader(reported(tmp_path)).text)


def test_own_words_are_in_the_report(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    study = opened_in(tmp_path).study
    save_note(study, get_note(study) + "\nDeeper <b>overfits</b>.\n")
    text = "".join(Reader(reported(tmp_path)).text)
    assert "Deeper <b>overfits</b>." in text


@pytest.mark.parametrize("n_trials", [0, 1])
def test_a_study_of_few_trials_has_a_report(tmp_path: Path, n_trials: int) -> None:
    opened_in(tmp_path)
    if n_trials:
        searched(tmp_path, n_trials)
    text = "".join(Reader(reported(tmp_path)).text)
    assert ("No trial is complete yet" in text) == (n_trials == 0)


def test_values_that_are_not_finite_do_not_spoil_the_page(tmp_path: Path) -> None:
    trainer = FakeTrainer(
        before_epoch=lambda member, epoch: "diverged" if member.key == 1 and epoch == 3 else None
    )
    searched(tmp_path, 3, trainer=trainer, artifacts=tmp_path / "artifacts")
    html = reported(tmp_path)
    found = re.search(r'id="figures">(.*?)</script>', html, re.S)
    assert found is not None
    assert not re.search(r"\b(NaN|Infinity)\b", found.group(1))


def test_a_study_begun_elsewhere_has_a_report(tmp_path: Path) -> None:
    storage = opened_in(tmp_path).place.storage
    study = optuna.create_study(storage=storage, study_name="other", direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    text = "".join(Reader(reported(tmp_path, "other")).text)
    assert "was not begun by search.run" in text


def test_an_unknown_study_is_answered_with_those_there_are(tmp_path: Path) -> None:
    opened_in(tmp_path)
    with pytest.raises(UserError, match="did you mean small"):
        reported(tmp_path, "smal")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_draws_the_report_without_an_error(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    searched(tmp_path, 4, trainer=predicting(), artifacts=tmp_path / "artifacts")
    reported(tmp_path)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    shown = subprocess.run(
        [
            CHROMIUM,
            *options,
            f"--user-data-dir={tmp_path / 'chromium'}",
            "--virtual-time-budget=10000",
            "--window-size=1200,12000",
            "--dump-dom",
            (tmp_path / "small" / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    assert shown.stdout.count('class="main-svg"') >= 10
    assert "&lt;b&gt;&amp;\"'/</text>" in shown.stdout
