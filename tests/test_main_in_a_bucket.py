"""The main job with its files in a bucket, as a person types it."""

from pathlib import Path

import pytest

from commands.errors import exit_status
from search import export, run
from search.files.bucket import BucketPath
from tests.s3_server import SECRET, keys

pytest_plugins = ["tests.s3"]

SPACE = """
from search.space import Float, Question, Space

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny networks."),
    parameters=(Float("lr", 1e-3, 1e-1, log=True),),
    fixed={"depth": 1, "width": 2, "pool_size": 8, "dense_width": 8, "batch_size": 128},
    epochs=1,
)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAME_DATA", raising=False)
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    Path("toy.py").write_text(SPACE)
    return tmp_path


@pytest.mark.slow
def test_workers_search_and_an_export_chooses_by_what_is_in_the_bucket(
    home: Path, bucket: BucketPath, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ["toy.py", "--trials", "3", "--device", "cpu", "--workers", "2"]
    assert run.main([*given, "--artifacts", str(bucket)]) == 0
    assert len(keys(bucket)) > 3
    said = capfd.readouterr()
    assert f"search.dashboard --artifacts {bucket}" in said.out
    assert export.main(["toy", "--top", "2", "--diverse", "--artifacts", str(bucket)]) == 0
    said_later = capfd.readouterr()
    for text in (*said, *said_later):
        assert SECRET not in text
    for path in home.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert not (home / "studies" / "artifacts").exists()


def test_a_bucket_that_is_not_there_leaves_no_study(
    home: Path, aws: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["toy.py", "--device", "cpu", "--quiet", "--artifacts", "s3://not-there/a"]
    assert exit_status(lambda: run.main(given)) == 2
    assert "--artifacts s3://not-there/a: no such bucket; make it first" in capsys.readouterr().err
    assert not (home / "studies").exists()
