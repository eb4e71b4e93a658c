from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from optuna_dashboard import get_note, save_note

from commands.errors import UserError
from search.copy import copy_study, main
from search.files.artifacts import Artifacts
from search.files.history import FILE
from search.storages.storage import Place, open_storage
from search.studies.loading import load_study
from search.trials.reading import INTERRUPTED
from tests.proxies import proxy_of
from tests.search.small_studies import searched

pytest_plugins = ["tests.postgres", "tests.servers"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """A study of six trials with everything that a search leaves, and oddities besides."""
    searched(tmp_path, 6, pruner="rungs", artifacts=tmp_path / "artifacts")
    with closing(open_storage(str(tmp_path / "journal.log"))) as place:
        study = load_study(place, "small")
        save_note(study, "# A note\n\nwith *words*")
        odd = create_trial(
            state=TrialState.PRUNED,
            value=0.1 + 0.2,
            intermediate_values={1: float("nan"), 3: float("inf"), 7: 1e-300},
            user_attrs={"none": None, "deep": {"list": [1, "two", 3.5, True]}},
            system_attrs={"own": [1]},
        )
        study.add_trial(odd)
        study.enqueue_trial({"depth": 2}, user_attrs={"baseline": 1})
    return str(tmp_path / "journal.log")


def everything(study: Study) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False)
    return {
        "directions": study.directions,
        "metric names": study.metric_names,
        "user attributes": study.user_attrs,
        "system attributes": study._storage.get_study_system_attrs(study._study_id),
        "note": get_note(study),
        "trials": [
            (
                *(trial.number, trial.state, trial.values, trial.params, trial.distributions),
                *(trial.user_attrs, trial.system_attrs),
                # As text, in which NaN is equal to itself.
                repr(sorted(trial.intermediate_values.items())),
                *(trial.datetime_start, trial.datetime_complete),
            )
            for trial in trials
        ],
    }


def contents(folder: Path) -> dict[Path, bytes]:
    files = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert all(files.values())
    return files


def copied(source: Place, target: Place) -> dict[str, Any]:
    study = load_study(source, "small")
    return everything(copy_study(study, study.get_trials(deepcopy=False), target))


def there_and_back(journal: str, address: str, folder: Path) -> None:
    with (
        closing(open_storage(journal)) as first,
        closing(open_storage(address)) as second,
        closing(open_storage(str(folder / "back.log"))) as third,
    ):
        before = everything(load_study(first, "small"))
        assert copied(first, second) == before
        assert copied(second, third) == before


def test_every_field_goes_to_postgresql_and_back(
    journal: str, database: str, tmp_path: Path
) -> None:
    there_and_back(journal, database, tmp_path)


def test_every_field_goes_to_redis_and_back(
    journal: str, redis_database: str, tmp_path: Path
) -> None:
    there_and_back(journal, redis_database, tmp_path)


def test_every_field_goes_to_mysql_and_back_but_fractions_of_seconds(
    journal: str, mysql_database: str, tmp_path: Path
) -> None:
    """Optuna's tables have no room for them there."""
    with (
        closing(open_storage(journal)) as first,
        closing(open_storage(mysql_database)) as second,
        closing(open_storage(str(tmp_path / "back.log"))) as third,
    ):
        before, there = everything(load_study(first, "small")), copied(first, second)
        assert copied(second, third) == there
        for sent, kept in zip(before.pop("trials"), there.pop("trials"), strict=True):
            assert sent[:-2] == kept[:-2]
            for one, other in zip(sent[-2:], kept[-2:], strict=True):
                assert one == other or abs(one - other) < timedelta(seconds=1)
        assert there == before


def test_every_field_goes_through_a_proxy_and_back(
    journal: str, database: str, tmp_path: Path
) -> None:
    with proxy_of(database) as address:
        there_and_back(journal, address, tmp_path)


def test_every_field_goes_to_sqlite_and_back(journal: str, tmp_path: Path) -> None:
    there_and_back(journal, f"sqlite:///{tmp_path}/studies.db", tmp_path)


def test_files_go_along(journal: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["--to", "new/journal.log", "--artifacts", "artifacts", "--to-artifacts", "new/artifacts"]
    assert main(["small", "--from", journal, *to]) == 0
    old = Artifacts(tmp_path / "artifacts")
    new = Artifacts(tmp_path / "new" / "artifacts")
    study = load_study(open_storage("new/journal.log"), "small")
    kept = [(old.read(trial, FILE), new.read(trial, FILE)) for trial in study.trials[:6]]
    assert all(before is not None and before == after for before, after in kept)
    said = capsys.readouterr().out
    assert "8 trials now in new/journal.log" in said
    assert "files now in new/artifacts\n" in said


@pytest.mark.parametrize("place", ["artifacts", "other/../artifacts", "link"])
def test_files_that_are_there_already_stay_as_they_are(
    journal: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("artifacts")
    before = contents(tmp_path / "artifacts")
    to = ["--to", "new.log", "--artifacts", "artifacts", "--to-artifacts", place]
    assert main(["small", "--from", journal, *to]) == 0
    assert contents(tmp_path / "artifacts") == before
    assert "  its files stay where they are, in artifacts\n" in capsys.readouterr().out


def test_a_file_that_two_folders_share_is_not_emptied(journal: str, tmp_path: Path) -> None:
    before = contents(tmp_path / "artifacts")
    (tmp_path / "new").mkdir()
    for path in before:
        (tmp_path / "new" / path.name).hardlink_to(path)
    to = ["--to", "new.log", "--artifacts", "artifacts", "--to-artifacts", "new"]
    assert main(["small", "--from", journal, *to]) == 0
    assert contents(tmp_path / "artifacts") == before


@pytest.mark.parametrize("leading", ["../secret", "/etc/hostname", "..", ".", "", "a/b", "a\0b"])
def test_an_id_that_leads_out_of_the_folder_is_of_no_file(
    journal: str, leading: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("not to be copied")
    (tmp_path / "artifacts" / "a").mkdir()
    (tmp_path / "artifacts" / "a" / "b").write_text("not to be copied")
    study = load_study(open_storage(journal), "small")
    study.add_trial(create_trial(value=0.5, system_attrs={f"artifacts:{leading}": "{}"}))
    to = ["--to", "new/journal.log", "--artifacts", "artifacts", "--to-artifacts", "new/artifacts"]
    assert main(["small", "--from", journal, *to]) == 0
    said = capsys.readouterr().out
    assert "6 files now in new/artifacts; 1 that it names are not in artifacts\n" in said
    assert not (tmp_path / "new" / "secret").exists()


def test_a_trial_that_trains_is_said_and_copied_as_interrupted(
    journal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study = load_study(open_storage(journal), "small")
    running = optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.5})
    study.add_trial(running)
    main(["small", "--from", journal, "--to", "new.log"])
    trial = load_study(open_storage("new.log"), "small").trials[8]
    assert (trial.state, trial.intermediate_values) == (TrialState.FAIL, {1: 0.5})
    assert INTERRUPTED in trial.user_attrs
    said = capsys.readouterr().out
    assert "trial 8 still trains in the old storage" in said
    assert "trial 7 waits there and here" in said


def test_a_study_of_the_same_name_is_not_touched(journal: str) -> None:
    main(["small", "--from", journal, "--to", "new.log"])
    before = Path("new.log").read_bytes()
    with pytest.raises(UserError, match=r"--to new\.log: there is a study small already"):
        main(["small", "--from", journal, "--to", "new.log"])
    assert Path("new.log").read_bytes() == before


@pytest.mark.parametrize("other", ["journal.log", "./new/../journal.log", "link.log"])
def test_a_study_is_not_copied_onto_itself(journal: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "link.log").symlink_to(journal)
    before = Path(journal).read_bytes()
    with pytest.raises(UserError, match="there is a study small already; nothing was copied"):
        main(["small", "--from", journal, "--to", other])
    assert Path(journal).read_bytes() == before


def test_a_study_in_a_database_is_not_copied_onto_itself(journal: str) -> None:
    address = "sqlite:///studies.db"
    main(["small", "--from", journal, "--to", address])
    with pytest.raises(UserError, match="there is a study small already; nothing was copied"):
        main(["small", "--from", address, "--to", address])


def test_a_study_goes_from_one_database_of_redis_to_another(
    journal: str, redis_database: str
) -> None:
    other = f"{redis_database.rpartition('/')[0]}/1"
    main(["small", "--from", journal, "--to", redis_database])
    assert main(["small", "--from", redis_database, "--to", other]) == 0
    assert len(load_study(open_storage(other), "small").trials) == 8


@pytest.mark.parametrize(
    ("option", "changed", "why"),
    [
        ("--from", {"--from": "none.log"}, "no such file"),
        ("--to", {"--to": "."}, "is a folder"),
        ("--to", {"--to": "nonsense://host/studies"}, "cannot be opened|is no database address"),
    ],
)
def test_errors_name_the_options_of_this_command(
    journal: str, option: str, changed: dict[str, str], why: str
) -> None:
    options = {"--from": journal, "--to": "other.log"} | changed
    with pytest.raises(UserError, match=rf"^{option} \S+: .*({why})"):
        main(["small", *(word for pair in options.items() for word in pair)])


def test_a_copy_that_fails_leaves_nothing(journal: str) -> None:
    def failing(study: Study) -> Iterator[Any]:
        yield study.trials[0]
        raise KeyboardInterrupt

    with closing(open_storage(journal)) as source, closing(open_storage("new.log")) as target:
        study = load_study(source, "small")
        with pytest.raises(KeyboardInterrupt):
            copy_study(study, failing(study), target)
        assert optuna.get_all_study_names(target.storage) == []
