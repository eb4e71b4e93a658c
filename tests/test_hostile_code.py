"""Strangers' files run no code: nothing here could, and a payload in every file stays asleep."""

import ast
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.configuration.config_file import read_config
from mame_cnn.data import mame_layout
from mame_cnn.data.archive import unpack
from mame_cnn.data.images import UnreadableImageError, read_image
from mame_cnn.evaluating.ledger import read_openings
from mame_cnn.models.ensemble_file import ENSEMBLE, read_ensemble
from mame_cnn.models.model_file import read_model
from mame_cnn.models.opening import open_model
from mame_cnn.scoring.probabilities_file import read_probabilities
from search.files.artifacts import Artifacts
from search.files.history import FILE as HISTORY
from search.files.history import read_history
from search.files.predictions import read_predictions
from search.space.file import load_space
from search.storages.storage import open_storage
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in

ROOT = Path(__file__).parents[1]
ROOMS = ("commands", "mame_cnn", "search", "spaces", "benchmarks")
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("yaml", "ruamel", "jsonpickle", "runpy", "code", "codeop", "imp"),
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint", "input", "execfile"),
    *("os.system", "os.popen", "torch.load", "torch.save", "torch.jit.load", "torch.hub.load"),
    *("pd.read_pickle", "pandas.read_pickle", "pd.read_hdf", "pd.eval", "np.fromfile"),
    *("np.lib.format.read_array", "importlib.import_module", "subprocess.getoutput"),
}
ALLOWED_CALLS = {
    # A space file is Python and run as such: this one place, for a path that the user gives.
    ("search/space/file.py", "compile"),
    ("search/space/file.py", "exec"),
    # A fixed name: the optional library of NVIDIA's meters.
    ("mame_cnn/energy.py", "importlib.import_module"),
    # Likewise: Ray, for those who ask for it.
    ("search/workers/ray_cluster.py", "importlib.import_module"),
    ("search/workers/ray_host.py", "importlib.import_module"),
    # A module that the user's own environment names, to have networks of one's own.
    ("mame_cnn/families/own.py", "importlib.import_module"),
    # Files of weights as torchvision publishes them; tensors and nothing else (see test_house).
    ("mame_cnn/pretrained/weights_file.py", "torch.load"),
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_nothing_imports_what_runs_code_from_files() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            roots = {name.partition(".")[0] for name in names}
            assert not roots & FORBIDDEN_MODULES, f"{path}: {roots}"


def test_nothing_calls_what_runs_code_but_the_reader_of_space_files() -> None:
    found = set()
    for path, tree in trees():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name in FORBIDDEN_CALLS:
                found.add((path, name))
            words = {word.arg: word.value for word in call.keywords}
            assert "allow_pickle" not in words, f"{path}: NumPy's default is the safe one"
            shell = words.get("shell")
            assert shell is None or (isinstance(shell, ast.Constant) and not shell.value), path
    assert found == ALLOWED_CALLS


def test_space_files_are_loaded_by_commands_that_are_given_one_and_by_nothing_else() -> None:
    loaders = {
        path
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "search.space.file"
    }
    in_use = {path for path in loaders if not path.startswith("benchmarks/")}
    assert in_use == {"search/run.py", "search/show.py"}
    for path in in_use:
        calls = [
            ast.unparse(node)
            for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "load_space"
        ]
        given = ("options.space", "parser.parse_args(argv).space")
        assert calls in [[f"load_space({argument})"] for argument in given]


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickles(mark: Path) -> dict[str, bytes]:
    """The payload as such, as an array of objects, and as the archives that torch would load."""
    array = np.empty(1, dtype=object)
    array[0] = Bomb(mark)
    plain = pickle.dumps(Bomb(mark))
    folder = mark.parent
    np.save(folder / "array.npy", array, allow_pickle=True)
    np.savez(folder / "arrays.npz", probs=array, labels=array, epoch=array)
    with zipfile.ZipFile(folder / "torch.pt", "w") as file:
        file.writestr("archive/data.pkl", plain)
        file.writestr("archive/version", "3\n")
    files = {
        name: (folder / name).read_bytes() for name in ("array.npy", "arrays.npz", "torch.pt")
    }
    return {"plain": plain, "protocol 0": pickle.dumps(Bomb(mark), 0), **files}


def test_the_payload_is_a_real_one(tmp_path: Path) -> None:
    pickle.loads(pickles(tmp_path / "mark")["plain"])
    assert (tmp_path / "mark").exists()


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "configuration": ("config.toml", read_config),
    "ensemble": (ENSEMBLE, lambda path: read_ensemble(path.parent)),
    "model": ("weights.safetensors", read_model),
    "run": ("weights.safetensors", lambda path: open_model(path.parent)),
    "probabilities": (
        "val_probabilities.csv",
        lambda path: read_probabilities(path, np.array([0]), ["a"], ["x", "y"]),
    ),
    "ledger": ("ledger.jsonl", read_openings),
    "labels": ("MAMe_labels.csv", mame_layout.read_labels),
    "table": ("MAMe_dataset.csv", mame_layout.read_table),
    "archive": ("a.zip", lambda path: unpack(path, path.parent / "into")),
    "image": ("a.png", lambda path: read_image(path, 8)),
    "predictions": ("val_probabilities.npz", lambda path: read_predictions(path.read_bytes())),
    "journal": ("journal.log", lambda path: open_storage(str(path), create=False)),
    "space": ("space.txt", load_space),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pickle_in_place_of_a_file_stays_asleep(tmp_path: Path, reader: str) -> None:
    mark = tmp_path / "mark"
    name, read = READERS[reader]
    for kind, content in pickles(mark).items():
        folder = tmp_path / "".join(letter for letter in kind if letter.isalnum())
        (folder / "into").mkdir(parents=True)
        (folder / name).write_bytes(content)
        # An archive that torch would load is an archive, and is unpacked.
        with suppress(UserError, ValueError, UnreadableImageError):
            read(folder / name)
        assert not mark.exists(), kind


def test_a_pickle_among_a_trials_files_stays_asleep(tmp_path: Path) -> None:
    searched(tmp_path, 1, artifacts=tmp_path / "a")
    [trial] = trials_in(tmp_path)
    artifacts = Artifacts(tmp_path / "a")
    for content in pickles(tmp_path / "mark").values():
        (tmp_path / "a" / trial.user_attrs["artifacts"][HISTORY]).write_bytes(content)
        assert read_history(trial, artifacts).epochs == tuple(range(1, 9))
    assert not (tmp_path / "mark").exists()


def test_a_search_runs_no_space_that_a_study_or_an_artifact_brings(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    payload = f"open({str(mark)!r}, 'w')\nSPACE = None\n"
    opened = opened_in(tmp_path)
    artifacts = Artifacts(tmp_path / "a")
    artifacts.keep(opened.study, {"small.py": payload.encode(), "space.py": payload.encode()})
    for name in ("space_file", "space_source", "space_path"):
        opened.study.set_user_attr(name, payload)
    (tmp_path / "small.py").write_text(payload)
    (tmp_path / "small").mkdir(exist_ok=True)
    (tmp_path / "small" / "space.py").write_text(payload)
    searched(tmp_path, 2, trainer=FakeTrainer(), artifacts=tmp_path / "a")
    assert len(trials_in(tmp_path)) == 2
    assert not mark.exists()


def test_an_artifact_is_no_space_file_even_if_it_is_given_as_one(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    opened = opened_in(tmp_path)
    payload = f"open({str(mark)!r}, 'w')\n".encode()
    Artifacts(tmp_path / "a").keep(opened.study, {"space.py": payload})
    [kept] = (tmp_path / "a").iterdir()
    with pytest.raises(UserError, match=r"a space file ends in \.py"):
        load_space(kept)
    assert not mark.exists()
