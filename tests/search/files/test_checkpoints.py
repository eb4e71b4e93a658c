import json
from pathlib import Path

import optuna
import pytest
from optuna.study import Study

from search.files.checkpoints import (
    IDENTITY,
    Checkpoints,
    DamagedCheckpointError,
    checkpoint,
    config_digest,
    files,
    read,
)
from search.trials.records import PlainRecord
from tests.search.small_studies import opened_in

CONFIG = {"network": {"depth": 2}}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return opened_in(tmp_path).study


def _keep(checkpoints: Checkpoints, study: Study, epoch: int, trial: int = 4) -> None:
    records = [PlainRecord(trial, number, number / 10, 9.5) for number in range(1, epoch + 1)]
    state = f"weights of epoch {epoch}".encode()
    checkpoints.keep(study, 3, checkpoint(trial, CONFIG, records, state))


def test_what_is_kept_is_read_back_and_all_but_the_last_two_are_removed(
    study: Study, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2, 10):
        _keep(checkpoints, study, epoch)
    found = checkpoints.latest(study, 3, CONFIG)
    assert found is not None
    assert (found.epoch, found.trial, found.state) == (10, 4, b"weights of epoch 10")
    assert [record.value for record in found.records[:2]] == [0.1, 0.2]
    names = [path.name for path in files(checkpoints.folder_of(study, 3))]
    assert names == ["10-4.ckpt", "2-4.ckpt"]
    assert len(list(checkpoints.folder_of(study, 3).iterdir())) == 2  # nothing is left aside


def test_checkpoints_of_later_epochs_make_room_for_those_of_a_trial_that_began_again(
    study: Study, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch, trial in ((20, 4), (21, 4), (1, 5), (2, 5), (3, 5)):
        _keep(checkpoints, study, epoch, trial)
    names = [path.name for path in files(checkpoints.folder_of(study, 3))]
    assert names == ["3-5.ckpt", "2-5.ckpt"]


def test_where_the_images_lie_is_no_part_of_a_configuration() -> None:
    there, elsewhere = ({**CONFIG, "data": {"source": source}} for source in "ab")
    assert config_digest(there) == config_digest(elsewhere) == config_digest(CONFIG)


def test_another_configuration_has_no_checkpoint_here(study: Study, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    _keep(checkpoints, study, 1)
    assert checkpoints.latest(study, 3, {"network": {"depth": 3}}) is None
    assert checkpoints.latest(study, 2, CONFIG) is None


def test_studies_of_one_name_in_different_storages_are_kept_apart(tmp_path: Path) -> None:
    one, other = (opened_in(tmp_path / name).study for name in "ab")
    checkpoints = Checkpoints(tmp_path)
    _keep(checkpoints, one, 1)
    assert checkpoints.latest(other, 3, CONFIG) is None


def test_a_name_from_a_stranger_leads_to_no_other_folder(study: Study, tmp_path: Path) -> None:
    study.set_user_attr(IDENTITY, "../../elsewhere")
    folder = Checkpoints(tmp_path).study_folder(study)
    assert folder == tmp_path / "checkpoints" / "small"


@pytest.mark.parametrize("name", ["..", "../../x", "/etc", "a\\b"])
def test_a_study_of_a_strangers_name_has_its_folder_among_the_others(
    name: str, tmp_path: Path
) -> None:
    study = optuna.create_study(study_name=name)
    folder = Checkpoints(tmp_path).study_folder(study)
    assert folder == tmp_path / "checkpoints" / "elsewhere"


@pytest.mark.parametrize("n_bytes", [0, 1, 40, 200, -1])
def test_a_file_that_was_cut_anywhere_is_damaged(
    n_bytes: int, study: Study, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(tmp_path)
    _keep(checkpoints, study, 1)
    (path,) = files(checkpoints.folder_of(study, 3))
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DamagedCheckpointError, match=r"1-4\.ckpt"):
        read(path)
    assert checkpoints.latest(study, 3, CONFIG) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("epoch", 7), ("size", -1), ("size", 10**30), ("size", "many"), ("records", [{"no": 1}])],
)
def test_a_header_that_was_changed_is_damaged(
    name: str, value: object, study: Study, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(tmp_path)
    _keep(checkpoints, study, 1)
    (path,) = files(checkpoints.folder_of(study, 3))
    header, state = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps({**json.loads(header), name: value}).encode() + b"\n" + state)
    with pytest.raises(DamagedCheckpointError):
        read(path)


def test_a_disk_that_is_full_leaves_the_one_before_and_nothing_aside(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    checkpoints = Checkpoints(tmp_path)
    _keep(checkpoints, study, 1)
    monkeypatch.setattr("search.files.checkpoints.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _keep(checkpoints, study, 2)
    assert [path.name for path in checkpoints.folder_of(study, 3).iterdir()] == ["1-4.ckpt"]
