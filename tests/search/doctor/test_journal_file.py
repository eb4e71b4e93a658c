import json
import os
import random
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.doctor.journal_file import examine, examine_at_rest, repair
from tests.search.doctor.journals import index, lines, trials, write, written


def _damaged(path: Path, at: int, line: bytes) -> list[bytes]:
    """Put a line in place of another; return what is left as whole records."""
    content = lines(path)
    write(path, [*content[:at], line, *content[at + 1 :]])
    return [*content[:at], *content[at + 1 :]]


def test_examining_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    _damaged(path, 5, b"#####\n")
    before, names = path.read_bytes(), sorted(os.listdir(tmp_path))
    examine(path)
    assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == (before, names)


def test_a_last_line_that_was_cut_is_taken_out(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = lines(path)
    write(path, [*content[:-1], content[-1][:30]])
    [finding] = examine(path).findings
    assert finding.fault.startswith(f"line {len(content)}: has no end")
    assert "30 bytes, began " in finding.fault
    repair(path)
    assert lines(path) == content[:-1]


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    repair(path)
    assert path.read_bytes() == content


def test_half_a_line_with_the_next_record_glued_on_loses_the_half_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    at = index(path, op_code=7)  # a report
    content = lines(path)
    half = content[at][:-5]
    write(path, [*content[:at], half + content[at + 1], *content[at + 2 :]])
    [finding] = examine(path).findings
    assert f"line {at + 1}: is no JSON: {len(half)} bytes, began " in finding.fault
    assert "(trial 0 of study small, report of epoch 1)" in finding.fault
    repair(path)
    assert lines(path) == [*content[:at], *content[at + 1 :]]


def test_a_newline_that_is_missing_or_double_loses_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = lines(path)
    write(path, [*content[:4], content[4][:-1], content[5], b"\n", b"\n", *content[6:]])
    assert all("nothing is lost" in found.remedy for found in examine(path).findings)
    repair(path)
    assert lines(path) == content


@pytest.mark.parametrize(
    "damage",
    [
        b"\x80\x00\xff\n",
        b"{}\n",
        b"[1]\n",
        b'{"op_code":99,"worker_id":"a"}\n',
        b'{"op_code":7,"worker_id":"a","trial_id":0,"step":1,"intermediate_value":"high"}\n',
        b'{"op_code":6,"worker_id":"a","trial_id":0,"state":77,"values":null}\n',
        b'{"op_code":4,"worker_id":"a","study_id":0,"datetime_start":"yesterday"}\n',
    ],
)
def test_a_line_that_is_no_record_of_use_is_taken_out(damage: bytes, tmp_path: Path) -> None:
    path = written(tmp_path)
    content = lines(path)
    at = index(path, op_code=7)
    write(path, [*content[:at], damage, *content[at:]])
    [finding] = examine(path).findings
    assert finding.fault.startswith(f"line {at + 1}: ")
    repair(path)
    assert lines(path) == content


def test_what_a_power_cut_leaves_is_nul_bytes(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = lines(path)
    write(path, [*content[:-3], b"\0" * 700 + content[-3], *content[-2:]])
    repair(path)
    assert lines(path) == content
    write(path, [*content, b"\0" * 700])
    repair(path)
    assert lines(path) == content


def test_a_journal_of_nul_bytes_alone_becomes_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b"\0" * 4096)
    repair(path)
    assert path.read_bytes() == b""


def test_a_repaired_journal_is_copied_beside_itself_first(tmp_path: Path) -> None:
    path = written(tmp_path)
    _damaged(path, 5, b"#####\n")
    before = path.read_bytes()
    path.chmod(0o640)
    backups = []
    for _ in range(2):  # within one second
        path.write_bytes(before)
        backups.append(repair(path)[1])
    for backup in backups:
        assert backup is not None
        assert backup.name.startswith("journal.log.backup-")
        assert backup.read_bytes() == before
    assert backups[0] != backups[1]
    assert path.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "journal.log.lock").is_symlink()
    assert not list(tmp_path.glob(".*"))


def test_a_sound_journal_is_not_written_anew(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.stat()
    assert repair(path)[1] is None
    assert path.stat() == before


def test_a_link_to_a_journal_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    path = written(tmp_path / "far")
    _damaged(path, 5, b"#####\n")
    link = tmp_path / "journal.log"
    link.symlink_to(path)
    repair(link)
    assert link.is_symlink()
    assert examine(path).is_sound


def test_a_line_that_somebody_is_writing_is_no_fault(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-20])

    def finish(seconds: float) -> None:
        path.write_bytes(content)

    assert examine_at_rest(path, sleep=finish).is_sound
    path.write_bytes(content[:-20])
    assert not examine_at_rest(path, sleep=lambda seconds: None).is_sound


@pytest.mark.parametrize("seed", range(25))
def test_no_whole_record_is_lost_and_any_optuna_reads_what_is_left(
    seed: int, tmp_path: Path
) -> None:
    path = written(tmp_path, total=2)
    content, chance = lines(path), random.Random(seed)
    hit = sorted(chance.sample(range(len(content)), 3))
    for at in hit:
        cut = chance.randrange(len(content[at]))
        content[at] = chance.choice(
            [
                content[at][:cut],  # the next line is glued on
                content[at][:cut] + b"\n",
                chance.randbytes(cut).replace(b"\n", b"#") + b"\n",
                b"\0" * cut + content[at][cut:],
                content[at][:cut] + b"\n" + content[at][cut:],
            ]
        )
    whole = [line.rstrip(b"\n") for at, line in enumerate(content) if at not in hit]
    write(path, content)
    repair(path)
    kept = set(path.read_bytes().splitlines())
    assert [line for line in whole if line not in kept] == []
    assert examine(path).is_sound
    theirs = JournalStorage(JournalFileBackend(str(path)))
    for name in optuna.get_all_study_names(theirs):
        assert optuna.load_study(storage=theirs, study_name=name).trials == trials(path, name)


def test_values_of_trials_survive_damage_to_other_lines(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = [trial.value for trial in trials(path)]
    attribute = index(path, op_code=8, user_attr="environment")
    assert "user_attr" in json.loads(lines(path)[attribute])
    _damaged(path, attribute, b"\xff\xff\n")
    repair(path)
    assert [trial.value for trial in trials(path)] == before
