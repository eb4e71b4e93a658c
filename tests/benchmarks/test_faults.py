import errno
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest
from filelock import FileLock
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks import faults
from benchmarks.faulting import rest_faults, rounds, verdict
from benchmarks.faulting.catalogue import FAULTS
from benchmarks.faulting.disk import can_mount, disk_at
from benchmarks.faulting.endings import losses_of_end
from benchmarks.faulting.looks import Facts, Looks, by_place, facts, open_journal, trials
from benchmarks.faulting.loss import Loss
from benchmarks.faulting.scene import Scene
from benchmarks.faulting.setting import STUDY, Files, Setting, environment
from commands.errors import UserError
from search.journal import Journal
from search.trials import CONTINUES, INTERRUPTED, PLACE

N = 3
ROOT = Path(__file__).parents[2]


def trial(place: int, **more: Any) -> FrozenTrial:
    given: dict[str, Any] = {
        "value": 0.5,
        "params": {"lr": place / 10},
        "distributions": {"lr": FloatDistribution(0, 1)},
        "intermediate_values": {1: 0.4, 2: 0.5},
        "user_attrs": {PLACE: place},
    }
    return create_trial(**(given | more))


def kept(folder: Path, ones: Iterable[FrozenTrial]) -> Files:
    """Keep trials as the study of a round."""
    files = Files(folder)
    files.studies.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(Journal(files.journal))
    study = optuna.create_study(storage=storage, study_name=STUDY, direction="maximize")
    for one in ones:
        study.add_trial(one)
    return files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return kept(tmp_path, map(trial, range(N)))


@pytest.fixture
def seen(files: Files) -> dict[int, Facts]:
    looks = Looks(files.journal)
    looks.look()
    return looks.seen


def kinds(losses: Iterable[Loss]) -> list[str]:
    return [loss.kind for loss in losses]


def test_a_sound_study_has_no_losses(files: Files, seen: dict[int, Facts]) -> None:
    found = trials(files.journal)
    assert list(seen) == list(range(N))
    losses = [
        *verdict.of_finished(seen, found),
        *verdict.of_total(found, N),
        *verdict.of_values(found, by_place(found)),
        *verdict.of_dashboard(files.journal, found),
        *verdict.of_leftovers(files),
        *verdict.of_aside(files),
        *verdict.of_doctor(0, "healthy"),
    ]
    assert losses == []


def test_a_finished_trial_that_is_gone_is_lost(files: Files, seen: dict[int, Facts]) -> None:
    lines = files.journal.read_bytes().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if b'"op_code":4' in line)
    files.journal.write_bytes(b"".join(lines[:last]))
    found = trials(files.journal)
    assert list(verdict.of_finished(seen, found)) == [Loss("lost", "trial 2 is gone")]
    assert kinds(verdict.of_total(found, N)) == ["total", "total"]  # too few; which is missing


def test_a_value_that_was_changed_is_found(files: Files, seen: dict[int, Facts]) -> None:
    undisturbed = by_place(trials(files.journal))
    lines = files.journal.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if '"lr":0.1' in line)
    assert '"value":0.5' in lines[at]
    lines[at] = lines[at].replace('"value":0.5', '"value":0.75')
    files.journal.write_text("".join(lines))
    found = trials(files.journal)
    (changed,) = verdict.of_finished(seen, found)
    assert (changed.kind, changed.what.split(":")[0]) == ("changed", "trial 1")
    assert kinds(verdict.of_values(found, undisturbed)) == ["values"]


@pytest.mark.parametrize(
    "more",
    [
        {"intermediate_values": {1: 0.4}},
        {"user_attrs": {PLACE: 0, "metrics": {}}},
        {"system_attrs": {"artifacts:1": ""}},
        {"params": {"lr": 0.2}},
        {"state": TrialState.PRUNED},
    ],
)
def test_whatever_is_written_of_a_finished_trial_may_not_change(more: dict[str, Any]) -> None:
    before, after = trial(0), trial(0, **more)
    before.number = after.number = 0
    assert kinds(verdict.of_finished({0: facts(before)}, [after])) == ["changed"]


def test_parameters_and_reports_are_compared_with_an_undisturbed_study_by_place() -> None:
    undisturbed = by_place([trial(0), trial(1)])
    assert list(verdict.of_values([trial(1), trial(0)], undisturbed)) == []
    stopped = trial(1, state=TrialState.FAIL, value=None, user_attrs={INTERRUPTED: "", PLACE: 1})
    assert list(verdict.of_values([stopped], undisturbed)) == []
    other = trial(1, intermediate_values={1: 0.4000000000000001, 2: 0.5})
    assert kinds(verdict.of_values([other], undisturbed)) == ["values"]


def numbered(*ones: FrozenTrial) -> list[FrozenTrial]:
    for number, one in enumerate(ones):
        one.number = number
    return list(ones)


def test_a_total_that_is_off_is_found() -> None:
    assert list(verdict.of_total(numbered(trial(0), trial(1)), 2)) == []
    too_many = list(verdict.of_total(numbered(trial(0), trial(1), trial(2)), 2))
    assert too_many == [Loss("total", "3 trials count, not 2")]
    running = trial(1, state=TrialState.RUNNING, value=None)
    assert list(verdict.of_total(numbered(trial(0), running), 2)) == [
        Loss("total", "trial 1 is RUNNING")
    ]


def test_a_place_that_two_trials_have_is_counted_twice() -> None:
    losses = list(verdict.of_total(numbered(trial(0), trial(0)), 2))
    assert losses[0] == Loss("twice", "2 trials count as the study's trial 0")


def test_a_trial_that_two_go_on_for_is_counted_twice() -> None:
    both = [trial(place, user_attrs={PLACE: place, CONTINUES: 7}) for place in (0, 1)]
    assert kinds(verdict.of_total(numbered(*both), 2)) == ["twice"]


def test_a_storage_that_the_dashboard_cannot_read_is_unreadable(files: Files) -> None:
    found = trials(files.journal)
    assert kinds(verdict.of_dashboard(files.journal, [*found, trial(3)])) == ["unreadable"]
    with files.journal.open("ab") as file:
        file.write(b"no record\n")
    assert kinds(verdict.of_dashboard(files.journal, found)) == ["unreadable"]


@pytest.mark.parametrize(
    "name",
    [
        "artifacts/checkpoints/faults-1/0/2-3.ckpt",
        "artifacts/checkpoints/faults-1/0/.tmp123",
        "artifacts/.tmp123/history.csv",
        "journal.log.lock",
        "faults/notebook.md.part",
    ],
)
def test_what_is_left_behind_is_found(name: str, files: Files) -> None:
    path = files.studies / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    losses = [*verdict.of_leftovers(files), *verdict.of_aside(files)]
    assert set(kinds(losses)) == {"leftover"}


def test_a_lock_that_somebody_holds_is_found(files: Files) -> None:
    with FileLock(f"{files.journal}.claims.lock"):
        assert kinds(verdict.of_leftovers(files)) == ["leftover"]


def test_what_the_doctor_finds_is_a_leftover() -> None:
    assert kinds(verdict.of_doctor(1, "1 fault")) == ["leftover"]


@pytest.mark.parametrize(
    ("status", "output", "expected"),
    [
        (0, "study faults: has 6 trials", []),
        (143, "study faults: stopped by SIGTERM; the same command goes on with it", []),
        (143, "", ["ending"]),
        (130, "study faults: stopped by Ctrl-C; the same command goes on with it", ["ending"]),
        (-9, "", ["ending"]),
        (0, "Traceback (most recent call last):\nKeyError: 1", ["traceback"]),
        (1, "Traceback (most recent call last):\nKeyError: 1", ["traceback", "ending"]),
    ],
)
def test_ends_must_be_documented_and_explained(
    status: int, output: str, expected: list[str]
) -> None:
    assert kinds(losses_of_end(status, output, {143})) == expected


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
        "import sys, time; from search.continuing import datetime\n"
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
