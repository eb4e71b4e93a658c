import json
import re
from collections.abc import Mapping
from pathlib import Path

from optuna.artifacts import get_all_artifact_meta
from optuna_dashboard import get_note, save_note

from search.files.artifacts import Artifacts
from search.notebook.__main__ import main
from search.notebook.own_words import HEADING
from search.notebook.pictures import FILES, keep_pictures, without_pictures
from search.trainer import Member
from search.trials.reading import ARTIFACTS, ranked
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in

SHOWN = re.compile(r"^!\[(.+)\]\((.+)\)$", re.M)


def pictured(*names: str) -> FakeTrainer:
    def files(member: Member) -> Mapping[str, bytes]:
        return {name: f"{name} of {member.key}".encode() for name in names}

    return FakeTrainer(files=files)


def copies(folder: Path) -> tuple[str, str]:
    note = get_note(opened_in(folder).study)
    return note, (folder / "small" / "notebook.md").read_text()


def search(folder: Path, total: int, trainer: FakeTrainer | None = None) -> None:
    trainer = trainer or pictured(*FILES, "misclassified.png")
    searched(folder, total, trainer=trainer, artifacts=folder / "artifacts")


def test_the_file_shows_the_best_trials_pictures_from_beside_it(tmp_path: Path) -> None:
    search(tmp_path, 4)
    best = ranked(trials_in(tmp_path))[0].number
    shown = dict(SHOWN.findall(copies(tmp_path)[1]))
    assert list(shown) == [f"{caption} of trial {best}" for caption in FILES.values()]
    for name, path in zip(FILES, shown.values(), strict=True):
        assert (tmp_path / "small" / path).read_text() == f"{name} of {best}"


def test_the_note_shows_them_from_where_the_dashboard_serves_them(tmp_path: Path) -> None:
    search(tmp_path, 4)
    opened, best = opened_in(tmp_path), ranked(trials_in(tmp_path))[0]
    ids = {
        meta.filename: meta.artifact_id
        for meta in get_all_artifact_meta(best, storage=opened.place.storage)
    }
    start = f"/artifacts/{opened.study._study_id}/{best._trial_id}/"
    addresses = [address for _, address in SHOWN.findall(copies(tmp_path)[0])]
    assert addresses == [start + ids[name] for name in FILES]


def test_the_copies_differ_where_they_show_a_picture_and_nowhere_else(tmp_path: Path) -> None:
    search(tmp_path, 4)
    note, file = (text.splitlines() for text in copies(tmp_path))
    differing = [pair for pair in zip(note, file, strict=True) if pair[0] != pair[1]]
    pictures = [pair for pair in differing if pair[0].startswith("![")]
    seals = [pair for pair in differing if pair[0].startswith("[//]: # (search.notebook ")]
    assert (len(pictures), len(seals), len(differing)) == (2, 1, 3)


def test_own_words_stay_when_another_trial_is_pictured(tmp_path: Path) -> None:
    search(tmp_path, 2)
    study, path = opened_in(tmp_path).study, tmp_path / "small" / "notebook.md"
    old = SHOWN.findall(copies(tmp_path)[1])
    save_note(study, get_note(study) + "\nOf the note.\n")
    path.write_text(path.read_text() + "\nOf the file.\n")
    search(tmp_path, 12)
    for text in copies(tmp_path):
        own = text.partition(HEADING)[2]
        assert own.endswith("\n\nOf the note.\n\nOf the file.\n")
        assert "![" not in own
    new = SHOWN.findall(copies(tmp_path)[1])
    assert new != old
    # Words may refer to the old ones.
    assert all((path.parent / picture).is_file() for _, picture in [*old, *new])


def test_writing_an_entry_again_changes_nothing(tmp_path: Path) -> None:
    search(tmp_path, 3)
    before = copies(tmp_path)
    options = ["--storage", str(tmp_path / "journal.log")]
    assert main([*options, "--artifacts", str(tmp_path / "artifacts")]) == 0
    assert copies(tmp_path) == before


def test_pictures_that_are_gone_are_not_shown(tmp_path: Path) -> None:
    search(tmp_path, 3)
    options = ["--storage", str(tmp_path / "journal.log")]
    assert main([*options, "--artifacts", str(tmp_path / "elsewhere")]) == 0
    for text in copies(tmp_path):
        assert "![" not in text


def test_a_trial_shows_those_pictures_that_it_has(tmp_path: Path) -> None:
    search(tmp_path, 2, pictured("learning_curves.png"))
    [(caption, _)] = SHOWN.findall(copies(tmp_path)[1])
    assert caption.startswith("Learning curves of trial ")


def test_an_id_that_is_no_id_leads_nowhere(tmp_path: Path) -> None:
    search(tmp_path, 1)
    opened, trial = opened_in(tmp_path), trials_in(tmp_path)[0]
    (tmp_path / "artifacts" / "a)b").write_text("x")
    trial.user_attrs[ARTIFACTS] = {"learning_curves.png": "a)b", "confusion_matrix.png": "../a"}
    artifacts = Artifacts(tmp_path / "artifacts")
    assert keep_pictures(opened.place, opened.study, trial, artifacts) == []


def test_a_reader_elsewhere_sees_no_pictures_but_the_persons(tmp_path: Path) -> None:
    search(tmp_path, 2)
    note = copies(tmp_path)[0]
    mine = "![mine](/artifacts/0/0/ab)"
    read = without_pictures(f"{note}\n{mine}\n")
    assert SHOWN.findall(read) == [("mine", "/artifacts/0/0/ab")]
    lost = set(note.splitlines()) - set(read.splitlines())
    assert len(lost) == 2
    assert json.dumps(sorted(lost)).count("/artifacts/") == 2
