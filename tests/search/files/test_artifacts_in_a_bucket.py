"""Studies whose files and checkpoints are in a bucket of a real server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState

from commands.errors import exit_status
from search import compare, dashboard
from search.doctor import aside
from search.doctor.__main__ import main as examine
from search.files.artifacts import Artifacts, open_artifacts
from search.files.bucket import BucketPath
from search.files.checkpoints import Checkpoints, files
from search.hosts.owner import this_process
from search.report.__main__ import main as report
from search.storages.storage import open_storage
from search.trainer import Member
from search.trials.reading import ARTIFACTS, OWNER
from tests.s3_server import client, keys, serving
from tests.search.fake_trainer import FakeTrainer
from tests.search.files.test_artifacts import Listening
from tests.search.small_studies import opened_in, searched, trials_in

pytest_plugins = ["tests.s3"]

PNG = b"\x89PNG\r\n\x1a\n and what follows"


class PowerCut(BaseException):
    """What no handler catches."""


def _picture(member: Member) -> Mapping[str, bytes]:
    return {"curves.png": PNG + bytes([member.key])}


def _die(folder: Path, bucket: BucketPath) -> None:
    """Search as a process that dies in epoch 6 of trial 1, without a word."""

    def act(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (1, 6):
            raise PowerCut

    with pytest.raises(PowerCut):
        searched(folder, 2, trainer=FakeTrainer(before_epoch=act), artifacts=bucket)
    opened = opened_in(folder)
    dead = this_process() | {"started": "before"}
    for trial in opened.study.get_trials(states=(TrialState.RUNNING,)):
        opened.place.storage.set_trial_user_attr(trial._trial_id, OWNER, dead)


def _options(folder: Path, bucket: BucketPath) -> list[str]:
    return ["--storage", str(folder / "journal.log"), "--artifacts", str(bucket)]


def test_every_trial_keeps_its_files_under_the_prefix_and_optuna_knows_them(
    tmp_path: Path, bucket: BucketPath
) -> None:
    searched(tmp_path, 3, trainer=FakeTrainer(files=_picture), cohort=2, artifacts=bucket)
    storage, mentioned = opened_in(tmp_path).place.storage, set()
    for trial in trials_in(tmp_path):
        metas = {meta.filename: meta for meta in get_all_artifact_meta(trial, storage=storage)}
        assert metas.keys() == {"history.csv", "curves.png"}
        assert metas["curves.png"].mimetype == "image/png"
        assert Artifacts(bucket).read(trial, "curves.png") == PNG + bytes([trial.number])
        assert Artifacts(bucket).read(trial, "other.png") is None
        mentioned |= {meta.artifact_id for meta in metas.values()}
    assert set(keys(bucket)) == {f"{bucket.key}/{artifact}" for artifact in mentioned}


def test_a_file_that_is_gone_or_too_large_or_no_artifact_is_none(
    tmp_path: Path, bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(files=_picture), artifacts=bucket)
    trial = trials_in(tmp_path)[0]
    (bucket / "secret").write_bytes(b"mine")
    (bucket / "checkpoints" / "secret").write_bytes(b"mine")
    artifacts = Artifacts(bucket)
    monkeypatch.setattr("search.files.artifacts._MOST_BYTES", len(PNG))
    assert artifacts.read(trial, "curves.png") is None
    for value in ("../first/secret", "checkpoints/secret", "/secret", "", "a" * 36):
        trial.user_attrs[ARTIFACTS] = {"curves.png": value}
        assert artifacts.read(trial, "curves.png") is None


def test_a_trial_goes_on_from_its_checkpoint_in_the_bucket(
    tmp_path: Path, bucket: BucketPath
) -> None:
    _die(tmp_path, bucket)
    folder = Checkpoints(bucket).folder_of(opened_in(tmp_path).study, 1)
    assert isinstance(folder, BucketPath)
    assert [path.name for path in files(folder)] == ["5-1.ckpt", "4-1.ckpt"]
    trainer = FakeTrainer()
    searched(tmp_path, 2, trainer=trainer, artifacts=bucket)
    assert len(trainer.trained) == 3
    assert list(files(folder)) == []
    assert not any("checkpoints" in key for key in keys(bucket))


def test_a_checkpoint_that_is_damaged_leaves_the_one_before_it(
    tmp_path: Path, bucket: BucketPath
) -> None:
    _die(tmp_path, bucket)
    newest, _ = files(Checkpoints(bucket).folder_of(opened_in(tmp_path).study, 1))
    newest.write_bytes(newest.read_bytes()[:-1])
    trainer = FakeTrainer()
    searched(tmp_path, 2, trainer=trainer, artifacts=bucket)
    assert len(trainer.trained) == 4


def test_a_bucket_that_vanishes_costs_files_alone_and_is_said_once_for_each_kind(
    tmp_path: Path, bucket: BucketPath
) -> None:
    def act(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (1, 2):
            for key in keys(bucket):
                client().delete_object(Bucket=bucket.bucket, Key=key)
            client().delete_bucket(Bucket=bucket.bucket)

    display, trainer = Listening(), FakeTrainer(files=_picture, before_epoch=act)
    outcome = searched(tmp_path, 3, trainer=trainer, display=display, artifacts=bucket)
    assert outcome.standing.n_complete == 3
    assert [line.partition(": no such bucket")[0] for line in display.lines] == [
        f"{bucket}/checkpoints",
        f"--artifacts {bucket}",
    ]
    storage = opened_in(tmp_path).place.storage
    kept = [bool(get_all_artifact_meta(t, storage=storage)) for t in trials_in(tmp_path)]
    assert kept == [True, False, False]
    assert [ARTIFACTS in trial.user_attrs for trial in trials_in(tmp_path)] == kept


@pytest.mark.slow
def test_a_server_that_dies_in_mid_study_stops_no_trial(
    tmp_path: Path, aws: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        aws.setenv("AWS_ENDPOINT_URL", server.address)
        client().create_bucket(Bucket="mortal")
        display = Listening()
        bucket = BucketPath.at("mortal")

        def act(member: Member, epoch: int) -> None:
            if (member.key, epoch) == (1, 2):
                server.stop()

        trainer = FakeTrainer(files=_picture, before_epoch=act)
        outcome = searched(tmp_path, 3, trainer=trainer, display=display, artifacts=bucket)
    assert outcome.standing.n_complete == 3
    assert len(display.lines) == 3  # checkpoints, files, and the curves at the end
    assert all("the store cannot be reached" in line for line in display.lines)


def test_whoever_concludes_while_the_store_fails_counts_files_as_missing_and_says_so(
    tmp_path: Path, bucket: BucketPath
) -> None:
    searched(tmp_path, 2, trainer=FakeTrainer(files=_picture), artifacts=bucket)
    trial, said = trials_in(tmp_path)[0], list[str]()
    lost = BucketPath.at(bucket.bucket, bucket.key)
    lost.connection.__dict__["store"] = _Refusing()
    patient = Artifacts(lost, unreadable=said.append)
    assert [patient.read(trial, name) for name in ("curves.png", "history.csv")] == [None, None]
    assert len(said) == 1
    assert "files of trials cannot be read and count as missing" in said[0]
    with pytest.raises(OSError, match="AccessDenied"):
        Artifacts(lost).read(trial, "curves.png")


class _Refusing:
    """A store that answers no."""

    def open_reader(self, artifact_id: str) -> None:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")


@contextmanager
def _serving(folder: Path, bucket: BucketPath) -> Iterator[str]:
    place = open_storage(str(folder / "journal.log"), create=False)
    with dashboard.make_dashboard(place, bucket, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield dashboard.address(server).removesuffix("/dashboard")
        finally:
            server.shutdown()
            thread.join()


def test_the_dashboard_shows_a_trials_picture(tmp_path: Path, bucket: BucketPath) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(files=_picture), artifacts=bucket)
    assert dashboard.remarks("127.0.0.1", bucket) == []
    with _serving(tmp_path, bucket) as address:
        with urlopen(f"{address}/api/studies") as answer:
            [study] = json.load(answer)["study_summaries"]
        with urlopen(f"{address}/api/studies/{study['study_id']}?after=0") as answer:
            [trial] = json.load(answer)["trials"]
        [meta] = [each for each in trial["artifacts"] if each["filename"] == "curves.png"]
        where = f"{study['study_id']}/{trial['trial_id']}/{meta['artifact_id']}"
        with urlopen(f"{address}/artifacts/{where}") as answer:
            assert answer.read() == PNG + b"\0"


def test_a_report_has_the_curves_from_the_bucket(tmp_path: Path, bucket: BucketPath) -> None:
    def loss(member: Member, epoch: int) -> Mapping[str, float]:
        return {"train_loss": 1 / epoch}

    searched(tmp_path, 2, trainer=FakeTrainer(more_metrics=loss), artifacts=bucket)
    out = tmp_path / "report.html"
    assert report(["small", *_options(tmp_path, bucket), "--out", str(out)]) == 0
    assert "training loss" in out.read_text()


def test_the_doctor_finds_what_belongs_to_nothing_and_moves_it_aside_in_the_bucket(
    tmp_path: Path,
    bucket: BucketPath,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(files=_picture), artifacts=bucket)
    before = set(keys(bucket))
    orphan = bucket / "00000000-0000-0000-0000-000000000000"
    stranger = bucket / "checkpoints" / "gone-abc" / "0" / "1-0.ckpt"
    for path in (orphan, stranger, bucket / "my notes.txt"):
        path.write_bytes(b"text")
    monkeypatch.setattr(aside, "_OLD_S", -60.0)
    assert examine(_options(tmp_path, bucket)) == 1
    said = capsys.readouterr().out
    assert f"{orphan}: an artifact that no study or trial mentions" in said
    assert f"{bucket}/checkpoints/gone-abc: checkpoints of a study that is not" in said
    assert examine([*_options(tmp_path, bucket), "--fix"]) == 0
    new = {key.removeprefix(f"{bucket.key}/") for key in set(keys(bucket)) - before}
    assert "my notes.txt" in new
    moved = sorted(key.partition("/")[2] for key in new - {"my notes.txt"})
    assert moved == ["00000000-0000-0000-0000-000000000000", "checkpoints/gone-abc/0/1-0.ckpt"]
    assert before <= set(keys(bucket))
    assert examine(_options(tmp_path, bucket)) == 0


def test_what_was_just_written_may_soon_be_mentioned_and_is_left_alone(
    tmp_path: Path, bucket: BucketPath
) -> None:
    searched(tmp_path, 1, artifacts=bucket)
    (bucket / "00000000-0000-0000-0000-000000000000").write_bytes(b"text")
    assert examine(_options(tmp_path, bucket)) == 0


def test_the_doctor_removes_damaged_checkpoints_and_those_of_ended_trials(
    tmp_path: Path, bucket: BucketPath
) -> None:
    _die(tmp_path, bucket)
    study = opened_in(tmp_path).study
    newest, before = files(Checkpoints(bucket).folder_of(study, 1))
    newest.write_bytes(newest.read_bytes()[:-1])
    ended = Checkpoints(bucket).folder_of(study, 0) / "1-0.ckpt"
    ended.write_bytes(b"text")
    examine([*_options(tmp_path, bucket), "--fix"])
    assert (newest.exists(), before.exists(), ended.exists()) == (False, True, False)


@pytest.mark.parametrize("command", [examine, report, compare.main, dashboard.main])
def test_a_bucket_that_is_not_there_is_a_mistake_for_whoever_reads(
    command: object, tmp_path: Path, bucket: BucketPath, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(command)
    searched(tmp_path, 1)
    study = [] if command in (examine, dashboard.main) else ["small"]
    lost = BucketPath.at("not-there", "a")
    assert exit_status(lambda: command([*study, *_options(tmp_path, lost)])) == 2
    assert "--artifacts s3://not-there/a: no such bucket" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_made_only_for_a_search(tmp_path: Path) -> None:
    open_artifacts(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    open_artifacts(tmp_path / "a" / "b", create=True)
    assert (tmp_path / "a" / "b").is_dir()
