import errno
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study

from benchmarks import faults
from benchmarks.faulting import rest_faults, rounds, verdict
from benchmarks.faulting.catalogue import FAULTS
from benchmarks.faulting.disk import can_mount, disk_at
from benchmarks.faulting.looks import Facts, Looks, open_journal, trials
from benchmarks.faulting.loss import Loss
from benchmarks.faulting.scene import Scene
from benchmarks.faulting.setting import STUDY, Files, Setting, environment
from commands.errors import UserError
from tests.benchmarks.faulting.faulted import N

ROOT = Path(__file__).parents[3]


def test_every_fault_has_its_rounds_with_one_worker_and_with_two() -> None:
    plans = [rounds.plan(5, number, list(FAULTS)) for number in range(2 * len(FAULTS))]
    assert plans == [rounds.plan(5, number, list(FAULTS)) for number in range(2 * len(FAULTS))]
    first = Counter((one.faults[0], one.setting.n_workers) for one in plans)
    for name in FAULTS:
        alone, together = first[name, 1], first[name, 2]
        assert alone + together == 2
        assert together >= 1
    assert {len(one.faults) for one in plans} == {1, 2}
    assert all(one.setting.n_workers == 2 for one in plans if "hang" in one.faults)
    assert all(one.setting.data == "folder" for one in plans if "cache" in one.faults)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fault", ["torn-journal", "half-record", "nul-bytes"])
def test_a_torn_tail_takes_nothing_that_was_forced_to_the_disk(
    fault: str, seed: int, files: Files, seen: dict[int, Facts]
) -> None:
    study = optuna.load_study(study_name=STUDY, storage=open_journal(files.journal))
    began(study, n_reports=seed % 3)
    before = files.journal.read_bytes()
    FAULTS[fault].strike(scene(files, seed))
    assert files.journal.read_bytes() != before
    found = trials(files.journal)
    assert list(verdict.of_finished(seen, found)) == []
    assert len(found) == N + 1


def began(study: Study, n_reports: int) -> None:
    asked = study.ask()
    for step in range(n_reports):
        asked.report(0.1, step=step)


def scene(files: Files, seed: int) -> Scene:
    setting = Setting(1, "digits")
    with disk_at(files.studies, is_small=False) as disk:
        return Scene(files, setting, files.folder, disk, random.Random(seed))


def test_the_newest_checkpoint_is_cut_short(files: Files) -> None:
    folder = files.artifacts / "checkpoints" / "faults-1" / "0"
    folder.mkdir(parents=True)
    for name in ("9-1.ckpt", "10-1.ckpt"):
        (folder / name).write_bytes(b"checkpoint")
    rest_faults.tear_checkpoint(scene(files, 1))
    assert (folder / "9-1.ckpt").read_bytes() == b"checkpoint"
    assert len((folder / "10-1.ckpt").read_bytes()) < len(b"checkpoint")


@pytest.mark.skipif(not can_mount(), reason="this user may not mount a file system")
def test_a_disk_fills_up_and_is_read_only_until_that_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "studies"
    with disk_at(folder, is_small=True) as disk:
        (folder / "kept").write_text("here")
        disk.fill([])
        with pytest.raises(OSError, match="No space left") as full:
            (folder / "more").write_bytes(bytes(10_000))
        assert full.value.errno == errno.ENOSPC
        disk.empty([])
        (folder / "more").write_bytes(bytes(10_000))
        assert disk.protect()
        with pytest.raises(OSError, match="Read-only"):
            (folder / "kept").write_text("gone")
        disk.release()
    assert (folder / "kept").read_text() == "here"


def test_without_a_mount_a_limit_stands_for_the_full_disk(tmp_path: Path) -> None:
    write = "import sys; input(); open(sys.argv[1], 'wb', 0).write(bytes(10)); print('written')"
    with (
        disk_at(tmp_path / "studies", is_small=False) as disk,
        subprocess.Popen(
            [sys.executable, "-c", write, tmp_path / "studies" / "file"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        disk.fill([process.pid])
        _, errors = process.communicate("\n")
    assert "File too large" in errors


def test_a_clock_jumps_in_processes_that_have_begun(files: Files) -> None:
    look = (
        "import sys, time; from search.engine.continuing import datetime\n"
        "def looked(): return [time.time(), datetime.now().timestamp()]\n"
        "before = looked(); open(sys.argv[1], 'w').write('86400'); print([*before, *looked()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, files.clock],
        env=environment(files, has_clock=True),
        capture_output=True,
        text=True,
        check=True,
    )
    first, *others = json.loads(done.stdout)
    assert [(other - first) // 3600 for other in others] == [0, 24, 24]


def result(number: int, *losses: Loss) -> dict[str, Any]:
    planned = rounds.plan(0, number, list(FAULTS))
    return {
        "seed": 0,
        "round": number,
        "workers": planned.setting.n_workers,
        "data": planned.setting.data,
        "seconds": 1.0,
        "planned": list(planned.faults),
        "faults": list(planned.faults),
        "losses": [vars(loss) for loss in losses],
    }


def test_a_campaign_goes_on_where_it_was_and_fails_if_anything_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "undisturbed", lambda setting, work: {})
    monkeypatch.setattr(faults, "run", lambda planned, *more: result(planned.number))
    (tmp_path / "rounds.jsonl").write_text(json.dumps(result(0)) + "\n")
    arguments = ["--rounds", "2", "--work", str(tmp_path), "--json", str(tmp_path / "out.json")]
    assert faults.main(arguments) == 0
    assert len((tmp_path / "rounds.jsonl").read_text().splitlines()) == 2
    lost = json.dumps(result(2, Loss("lost", "trial 1 is gone")))
    with (tmp_path / "rounds.jsonl").open("a") as file:
        file.write(lost + "\n")
    monkeypatch.setattr(faults, "run", None)  # there is nothing left to run
    assert faults.main([*arguments, "--rounds", "3"]) == 1
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["results"][-1]["fault"] == "all"
    assert told["results"][-1]["lost"] == 1
    assert told["rounds"][2]["losses"] == [{"kind": "lost", "what": "trial 1 is gone"}]


def test_a_damaged_journal_is_seen_as_nothing_and_said_to_be_damaged(files: Files) -> None:
    with files.journal.open("ab") as file:
        file.write(b"no record\n")
    assert Looks(files.journal).look() == []
    with pytest.raises(UserError, match="damaged"):
        trials(files.journal)


@pytest.mark.slow
def test_a_short_campaign_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.faults", "--rounds", "2", "--work", str(tmp_path)),
            *("--faults", "kill-all", "sigterm", "--json", str(tmp_path / "out.json")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    all_faults = json.loads((tmp_path / "out.json").read_text())["results"][-1]
    assert all_faults["rounds"] == 2
    assert all_faults["injections"] >= 2
