import errno
from collections.abc import Mapping
from pathlib import Path

import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import FrozenTrial, TrialState

from search.displays.display import QuietDisplay
from search.files.artifacts import Artifacts
from search.trainer import Member
from search.trials.reading import ARTIFACTS, BEST_EPOCH
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in


def _seed_of(member: Member) -> Mapping[str, bytes]:
    return {"seed.txt": str(member.seed).encode(), "key.txt": str(member.key).encode()}


class Listening(QuietDisplay):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, line: str) -> None:
        self.lines.append(line)

    def warned(self, line: str) -> None:
        self.said(line)


def _states(trials: list[FrozenTrial]) -> list[TrialState]:
    return [trial.state for trial in trials]


def test_every_complete_trial_keeps_what_its_member_left(tmp_path: Path) -> None:
    searched(tmp_path, 4, trainer=FakeTrainer(files=_seed_of), cohort=2, artifacts=tmp_path / "a")
    artifacts = Artifacts(tmp_path / "a")
    for trial in trials_in(tmp_path):
        assert artifacts.read(trial, "seed.txt") == str(trial.user_attrs["seed"]).encode()
        assert artifacts.read(trial, "key.txt") == str(trial.number).encode()
        assert artifacts.read(trial, "other.txt") is None


def test_optuna_finds_the_files_and_nothing_else_is_in_the_folder(tmp_path: Path) -> None:
    searched(tmp_path, 2, trainer=FakeTrainer(files=_seed_of), artifacts=tmp_path / "a")
    storage = opened_in(tmp_path).place.storage
    found = {}
    for trial in trials_in(tmp_path):
        for meta in get_all_artifact_meta(trial, storage=storage):
            with FileSystemArtifactStore(tmp_path / "a").open_reader(meta.artifact_id) as file:
                found[trial.number, meta.filename] = meta.artifact_id, file.read()
    names = ("history.csv", "seed.txt", "key.txt")
    assert found.keys() == {(n, name) for n in (0, 1) for name in names}
    assert found[1, "key.txt"][1] == b"1"
    in_folder = {path.name for path in (tmp_path / "a").iterdir()}
    assert in_folder == {artifact_id for artifact_id, _ in found.values()}


def test_a_study_has_files_of_its_own(tmp_path: Path) -> None:
    artifacts, opened = Artifacts(tmp_path / "a"), opened_in(tmp_path)
    artifacts.keep(opened.study, {"sheet.jpg": b"sheet"})
    study = opened_in(tmp_path).study
    assert artifacts.read(study, "sheet.jpg") == b"sheet"
    assert artifacts.read(study, "other.jpg") is None
    [meta] = get_all_artifact_meta(study)
    assert (meta.filename, meta.mimetype) == ("sheet.jpg", "image/jpeg")


def test_a_trial_that_is_pruned_or_fails_is_not_asked_for_files(tmp_path: Path) -> None:
    asked = []

    def files(member: Member) -> Mapping[str, bytes]:
        asked.append(member.key)
        return {"a.txt": b"a"}

    def fail(member: Member, epoch: int) -> str | None:
        return "diverged" if member.key == 1 else None

    trainer = FakeTrainer(files=files, before_epoch=fail)
    searched(tmp_path, 12, trainer=trainer, pruner="rungs", artifacts=tmp_path / "a")
    trials = trials_in(tmp_path)
    complete = [trial.number for trial in trials if trial.state == TrialState.COMPLETE]
    assert 0 < len(complete) < 11
    assert asked == complete
    for trial in trials:
        left = {"history.csv", "a.txt"} if trial.number in complete else {"history.csv"}
        assert trial.user_attrs[ARTIFACTS].keys() == left


def test_nobody_is_asked_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    def files(member: Member) -> Mapping[str, bytes]:
        raise AssertionError

    display = Listening()
    searched(tmp_path, 2, trainer=FakeTrainer(files=files), display=display)
    assert display.lines == []


def test_a_full_disk_costs_the_files_alone_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    display, folder = Listening(), tmp_path / "a"
    write = Path.write_bytes

    def fail(path: Path, content: bytes) -> int:
        if folder in path.parents:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    trainer = FakeTrainer(files=_seed_of)
    outcome = searched(tmp_path, 3, trainer=trainer, display=display, artifacts=folder)
    assert outcome.standing.n_complete == 3
    [line] = display.lines
    assert line.startswith(f"--artifacts {folder}: No space left on device: ")
    # Neither Optuna nor we believe that there is a file.
    for trial in trials_in(tmp_path):
        assert get_all_artifact_meta(trial, storage=opened_in(tmp_path).place.storage) == []
        assert ARTIFACTS not in trial.user_attrs
        assert trial.user_attrs[BEST_EPOCH] == 8
    assert list(folder.iterdir()) == []


def test_a_member_that_cannot_tell_its_files_is_complete_without(tmp_path: Path) -> None:
    def files(member: Member) -> Mapping[str, bytes]:
        if member.key == 0:
            raise RuntimeError("the device is gone")
        return _seed_of(member)

    display, trainer = Listening(), FakeTrainer(files=files)
    searched(tmp_path, 3, trainer=trainer, display=display, artifacts=tmp_path / "a")
    trials = trials_in(tmp_path)
    assert _states(trials) == [TrialState.COMPLETE] * 3
    assert ["key.txt" in trial.user_attrs[ARTIFACTS] for trial in trials] == [False, True, True]
    assert all("history.csv" in trial.user_attrs[ARTIFACTS] for trial in trials)
    [line] = display.lines
    assert line.startswith("RuntimeError: the device is gone: ")


def test_a_folder_that_was_removed_in_the_meantime_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    searched(tmp_path, 1, trainer=FakeTrainer(files=_seed_of), artifacts=folder)
    assert Artifacts(folder).read(trials_in(tmp_path)[0], "key.txt") == b"0"


def test_a_file_that_is_gone_is_none_and_one_outside_the_folder_is_not_read(
    tmp_path: Path,
) -> None:
    artifacts = Artifacts(tmp_path / "a")
    searched(tmp_path, 1, trainer=FakeTrainer(files=_seed_of), artifacts=artifacts.folder)
    trial = trials_in(tmp_path)[0]
    for path in artifacts.folder.iterdir():
        path.unlink()
    assert artifacts.read(trial, "key.txt") is None
    (tmp_path / "secret").write_text("mine")
    for value in ({"key.txt": "../secret"}, {"key.txt": 3}, "secret", None):
        trial.user_attrs[ARTIFACTS] = value
        assert artifacts.read(trial, "key.txt") is None
