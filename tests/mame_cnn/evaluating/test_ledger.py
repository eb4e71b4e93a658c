"""The ledger of test openings: refused, repeated, damaged, and raced for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.evaluating import ledger
from mame_cnn.evaluating.ledger import OpenedData, OpenedModel, Opening, Score

DIGEST = "0123456789ab"
DATA = OpenedData(name="paintings", digest=DIGEST)
MODEL = OpenedModel(
    kind="model", path="runs/best-01", config_digests=(DIGEST,), weights_digests=(DIGEST,)
)


def open_once(
    path: Path, reason: str | None = None, data: OpenedData = DATA, accuracy: float = 0.5
) -> Opening:
    with ledger.permission(path, data, reason) as allowed:
        return allowed.record(MODEL, Score(accuracy=accuracy, n_images=100))


def test_an_opening_is_kept_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "ledger.jsonl"
    opening = open_once(path)
    [line] = path.read_text().splitlines()
    content = json.loads(line)
    assert content["reason"] is None
    assert content["when"].endswith("+00:00")
    assert content["data"] == {"name": "paintings", "digest": DIGEST}
    assert content["score"] == {"accuracy": 0.5, "n_images": 100}
    assert ledger.read_openings(path) == (opening,)


def test_a_second_opening_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    open_once(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"opened already(.|\n)*50\.0% of 100 images, model runs/"):
        open_once(path)
    assert path.read_bytes() == before


def test_an_opening_again_needs_a_reason_which_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    reason = 'line\u2028separator, "quotes" and ümlauts'
    open_once(path)
    open_once(path, reason)
    assert [opening.reason for opening in ledger.read_openings(path)] == [None, reason]
    assert f"again: {reason}" in str(ledger.read_openings(path)[1])


def test_a_reason_is_not_kept_the_first_time(tmp_path: Path) -> None:
    assert open_once(tmp_path / "ledger.jsonl", "just in case").reason is None


def test_another_test_set_has_its_own_first_opening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    other = OpenedData(name="prints", digest="f" * 12)
    open_once(path)
    open_once(path, data=other)
    assert len(ledger.read_openings(path)) == 2
    assert [opening.data for opening in ledger.read_openings(path, other.digest)] == [other]


def test_what_fails_between_permission_and_record_leaves_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with pytest.raises(ZeroDivisionError), ledger.permission(path, DATA, None):
        raise ZeroDivisionError
    assert ledger.read_openings(path) == ()
    open_once(path)


def test_a_ledger_without_a_last_line_break_is_continued_on_a_line_of_its_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"
    open_once(path)
    path.write_text(path.read_text().rstrip("\n"))
    open_once(path, "again")
    assert len(ledger.read_openings(path)) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "line 2: invalid JSON"),
        ("", "line 2: invalid JSON"),
        ("[]", "line 2: "),
        ('{"when": "yesterday"}', "line 2: when(.|\n)*line 2: model: missing"),
    ],
)
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "ledger.jsonl"
    open_once(path)
    path.write_text(f"{path.read_text()}{line}\n")
    before = path.read_bytes()
    with pytest.raises(UserError, match=f"the ledger is damaged(.|\n)*{expected}"):
        open_once(path, "again")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("score", "accuracy"), 1.5, "score.accuracy: .*got 1.5"),
        (("score", "accuracy"), "high", "score.accuracy"),
        (("score", "n_images"), 0, "score.n_images"),
        (("data", "digest"), "?", "data.digest"),
        (("model", "kind"), "oracle", "model.kind"),
        (("model", "weights_digests"), [], "model.weights_digests"),
        (("when",), "2026-01-31T12:00:00", "when: must be a time with its zone"),
        (("reason",), 7, "reason"),
    ],
)
def test_every_field_of_an_entry_is_checked(
    tmp_path: Path, place: tuple[str, ...], value: object, expected: str
) -> None:
    path = tmp_path / "ledger.jsonl"
    open_once(path)
    content = json.loads(path.read_text())
    table = content
    for name in place[:-1]:
        table = table[name]
    table[place[-1]] = value
    path.write_text(json.dumps(content) + "\n")
    with pytest.raises(UserError, match=f"line 1: {expected}"):
        ledger.read_openings(path)


def test_a_ledger_of_other_bytes_than_text_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="the ledger is damaged: not UTF-8"):
        ledger.read_openings(path)


def test_a_ledger_that_cannot_be_written_shows_before_permission(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.symlink_to(tmp_path / "no folder" / "ledger.jsonl")
    with pytest.raises(FileNotFoundError), ledger.permission(path, DATA, None):
        pytest.fail("permission was given")


def test_a_write_that_fails_halfway_leaves_the_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    open_once(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        open_once(path, "again")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before


RACER = """
import sys
from pathlib import Path
from commands.errors import UserError
from tests.mame_cnn.evaluating.test_ledger import open_once
print("ready", flush=True)
sys.stdin.readline()
try:
    open_once(Path(sys.argv[1]))
except UserError:
    print("refused")
else:
    print("opened")
"""


def test_of_two_processes_at_once_one_opens_and_the_other_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = sorted(racer.communicate()[0].strip() for racer in racers)
    assert answers == ["opened", "refused"]
    assert len(ledger.read_openings(path)) == 1


def test_a_digest_is_about_names_and_classes_and_not_about_their_order() -> None:
    digest = ledger.test_digest(["a", "b"], [0, 1], ["bronze", "clay"])
    assert digest == ledger.test_digest(["b", "a"], [1, 0], ["bronze", "clay"])
    assert digest == ledger.test_digest(["a", "b"], [1, 0], ["clay", "bronze"])
    assert digest != ledger.test_digest(["a", "b"], [1, 0], ["bronze", "clay"])
    assert digest != ledger.test_digest(["a", "c"], [0, 1], ["bronze", "clay"])
    assert digest != ledger.test_digest(["a", "b"], [0, 1], ["bronze", "clay", "silk"])
