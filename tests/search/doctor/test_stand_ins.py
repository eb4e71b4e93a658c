import json
from pathlib import Path

import pytest

from search.doctor.journal_file import examine, repair
from search.doctor.stand_ins import complete
from tests.search.doctor.journals import index, lines, trials, write, written

BEGINS_TRIAL = 4


def _curves(path: Path, name: str) -> list[tuple[object, ...]]:
    return [
        (trial.number, trial.state, trial.params, trial.value, trial.intermediate_values)
        for trial in trials(path, name)
    ]


@pytest.mark.parametrize("damage", [b"\n", b"\0" * 200 + b"\n", b'{"op_code":4,"work\n', b""])
def test_a_trial_whose_beginning_was_lost_keeps_its_number_and_all_later_ones_do(
    damage: bytes, tmp_path: Path
) -> None:
    path = written(tmp_path)
    before = [_curves(path, name) for name in ("small", "other")]
    whole = lines(path)
    for at in (at for at, line in enumerate(whole) if json.loads(line)["op_code"] == BEGINS_TRIAL):
        write(path, [*whole[:at], damage, *whole[at + 1 :]])
        repair(path)
        assert [_curves(path, name) for name in ("small", "other")] == before
        assert examine(path).is_sound


def test_a_study_whose_beginning_was_lost_comes_back_with_its_trials(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = _curves(path, "other")
    content = lines(path)
    at = index(path, study_name="other")
    content[at] = content[at][:-10] + b"\n"  # the name is still there
    write(path, content)
    repair(path)
    assert _curves(path, "other") == before
    assert examine(path).is_sound


def test_a_study_whose_name_was_lost_gets_one_that_says_so(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = _curves(path, "other")
    content = lines(path)
    content[index(path, study_name="other")] = b"#####\n"
    write(path, content)
    repair(path)
    [name] = [
        study.study_name
        for study in examine(path).storage.get_all_studies()
        if study.study_name != "small"
    ]
    assert name == "recovered-1"
    assert _curves(path, name) == before


def test_a_record_with_a_number_that_nothing_explains_is_taken_out(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = _curves(path, "small")
    content = lines(path)
    at = index(path, op_code=7)
    stray = json.loads(content[at]) | {"trial_id": 10**9}
    content.insert(at, json.dumps(stray, separators=(",", ":")).encode() + b"\n")
    write(path, content)
    [finding] = examine(path).findings
    assert finding.fault.startswith(f"line {at + 1}: is about what no line begins")
    repair(path)
    assert _curves(path, "small") == before


def test_a_sound_journal_needs_no_stand_ins(tmp_path: Path) -> None:
    completed = complete([])
    assert (completed.stand_ins, completed.strays) == ([], [])
    assert examine(written(tmp_path)).is_sound
