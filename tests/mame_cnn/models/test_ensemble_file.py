import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from commands.errors import UserError
from mame_cnn.combining.combination import ClassWeighted
from mame_cnn.models.ensemble_file import ENSEMBLE, read_ensemble, write_ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.models.opening import open_model
from tests.mame_cnn.small_models import (
    CLASSES,
    CPU,
    make_ensemble,
    make_images,
    make_model,
    write_members,
)

IMAGES = make_images()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ensemble"
    ensemble = make_ensemble(with_specialists=True)
    write_members(folder, ensemble)
    write_ensemble(folder, ensemble)
    return folder


def change(folder: Path, changed: Callable[[dict[str, Any]], object]) -> None:
    content = tomllib.loads((folder / ENSEMBLE).read_text())
    changed(content)
    (folder / ENSEMBLE).write_text(tomli_w.dumps(content))


def error(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_ensemble(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("with_specialists", [False, True])
def test_a_folder_gives_back_the_ensemble_wherever_it_lies(
    tmp_path: Path, with_specialists: bool
) -> None:
    ensemble = make_ensemble(
        with_specialists=with_specialists,
        temperature=1.5,
        views="flips",
        out_of_fold={"accuracy": 0.5, "single": {"gain": 0.1}},
        provenance={"seeds": 2},
    )
    write_members(tmp_path / "made", ensemble)
    write_ensemble(tmp_path / "made", ensemble)
    (tmp_path / "made").rename(tmp_path / "moved")
    found = read_ensemble(tmp_path / "moved")
    np.testing.assert_array_equal(found.probs(IMAGES, CPU), ensemble.probs(IMAGES, CPU))
    for name in ("combination", "views", "out_of_fold", "provenance", "member_names"):
        assert getattr(found, name) == getattr(ensemble, name), name


def test_only_the_file_itself_is_added_to_the_members(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [ENSEMBLE, "members", "specialists"]


def test_members_that_do_not_belong_together_are_not_written(tmp_path: Path) -> None:
    ensemble = make_ensemble()
    first, second = ensemble.members
    foreign = replace(second.model, data_digest="ffffffffffff")
    misfit = replace(ensemble, members=(first, replace(second, model=foreign)))
    with pytest.raises(UserError, match="trained on data ffffffffffff, but member-1"):
        write_ensemble(tmp_path, misfit)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../member-1", "/etc", "members/../../x", "a\\b", "", "."])
def test_a_path_that_leaves_the_folder_is_an_error(folder: Path, path: str) -> None:
    change(folder, lambda content: content["members"][0].update(path=path))
    assert "members.0.path: must be a relative path" in error(folder)


def test_a_path_that_no_file_system_takes_is_an_error(folder: Path) -> None:
    change(folder, lambda content: content["members"][0].update(path="é" * 128))
    assert "members.0.path: must have at most 255 bytes, got" in error(folder)


def test_a_link_that_leaves_the_folder_is_an_error(folder: Path) -> None:
    (folder / "members" / "member-1").rename(folder.parent / "outside")
    (folder / "members" / "member-1").symlink_to(folder.parent / "outside")
    assert "members/member-1 leads out of the folder" in error(folder)


def test_all_members_that_cannot_be_read_are_told_at_once(folder: Path) -> None:
    weights = folder / "members" / "member-1" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    (folder / "members" / "member-2" / WEIGHTS).unlink()
    write_model(folder / "specialists" / "expert" / WEIGHTS, make_model(seed=9))
    message = error(folder)
    assert "member-1: " in message
    assert "damaged" in message
    assert "no such file" in message
    assert "expert: specialists/expert has the weights" in message


def test_members_exchanged_for_others_of_other_classes_are_told(folder: Path) -> None:
    other = make_model(seed=2, classes=("oil", *CLASSES[1:]))
    write_model(folder / "members" / "member-2" / WEIGHTS, other)
    change(folder, lambda c: c["members"][1].update(weights_digest=other.weights_digest))
    assert "member-2: has the classes oil, clay, silk, wood" in error(folder)


def test_a_file_that_speaks_of_other_data_than_its_members_is_an_error(folder: Path) -> None:
    change(folder, lambda c: c.update(data_digest="ffffffffffff", classes=[*CLASSES[:3], "oil"]))
    message = error(folder)
    assert "says data_digest ffffffffffff, member-1 has 0123456789ab" in message
    assert "says classes" in message


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"temperature": 0.0}, "temperature: input should be greater than 0"),
        ({"temperature": float("nan")}, "temperature: input should be a finite number"),
        ({"views": "crops"}, "views: input should be 'none', 'flips'"),
        ({"members": []}, "members: tuple should have at least 1 item"),
        ({"combination": {"kind": "best"}}, "combination"),
        (
            {"combination": {"kind": "weighted", "name": "mean", "weights": [0.5, 0.5]}},
            "for 2 members, got 3",
        ),
        ({"format_version": 9}, "format_version: input should be 1"),
        ({"weights": 3}, "weights: no such field"),
    ],
)
def test_a_file_that_cannot_be_true_is_an_error(
    folder: Path, changed: dict[str, Any], expected: str
) -> None:
    change(folder, lambda content: content.update(changed))
    assert expected in error(folder)


def test_a_combination_for_another_number_of_classes_is_an_error(tmp_path: Path) -> None:
    three = ClassWeighted("ridge", ((1.0, 1.0, 1.0),) * 2, (0.0, 0.0, 0.0), "identity")
    ensemble = make_ensemble(three)
    write_members(tmp_path, ensemble)
    write_ensemble(tmp_path, ensemble)
    assert "is for 3 classes, got 4" in error(tmp_path)


def test_a_member_twice_and_too_few_experts_are_errors(folder: Path) -> None:
    text = (folder / ENSEMBLE).read_text()
    change(folder, lambda content: content["members"][1].update(path="members/member-1"))
    assert "named more than once" in error(folder)
    (folder / ENSEMBLE).write_text(text)
    change(folder, lambda content: content["specialists"].update(experts=[]))
    assert "specialists.experts: expected 1" in error(folder)


def test_a_file_that_is_not_toml_is_an_error(folder: Path) -> None:
    (folder / ENSEMBLE).write_text("members = [")
    assert "not valid TOML" in error(folder)


def test_runs_weights_and_ensembles_are_opened_by_their_path(folder: Path) -> None:
    run = folder / "members" / "member-1"
    digest = make_model(seed=1).weights_digest
    for path in (run, run / WEIGHTS):
        model = open_model(path)
        assert isinstance(model, Model)
        assert model.probs(IMAGES, CPU).shape == (6, 4)
        assert model.weights_digest == digest
    assert open_model(folder).probs(IMAGES, CPU).shape == (6, 4)


def test_other_folders_are_told_what_was_expected(folder: Path) -> None:
    with pytest.raises(UserError, match=r"weights\.safetensors\).*did you mean .*member-1\?"):
        open_model(folder / "members")
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match="expected the folder of a run"):
        open_model(folder / "empty")
    with pytest.raises(UserError, match="no such file"):
        open_model(folder / "nowhere")
