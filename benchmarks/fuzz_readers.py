"""The readers that strangers' files meet, each with valid files to damage and what it may raise.

A reader takes a file's content and does with it what a command would. It raises nothing but what
its documentation says: everything else is a fault.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial
from PIL import Image

from commands.errors import UserError
from mame_cnn.combining.combination import Weighted
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.data import mame_layout
from mame_cnn.data.archive import unpack
from mame_cnn.data.images import UnreadableImageError, read_image
from mame_cnn.evaluating.ledger import read_openings
from mame_cnn.families.network import build_network
from mame_cnn.models.ensemble import Ensemble, Member
from mame_cnn.models.ensemble_file import ENSEMBLE, read_ensemble, write_ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, read_model, write_model
from mame_cnn.scoring.probabilities_file import read_probabilities, write_probabilities
from mame_cnn.seeds import generator
from search.doctor.entry import read_lines
from search.files.artifacts import Artifacts
from search.files.history import read_history
from search.files.predictions import read_predictions
from search.report.scale import Scale
from search.space import wording
from search.space.file import load_space
from search.space.table import checked_table
from search.storages.storage import open_storage
from search.studies import pins
from search.studies.loading import load_study

SPACES = Path(__file__).parents[1] / "spaces"
_CLASSES = ("bronze", "clay", "silk, woven")


@dataclass(frozen=True)
class Reader:
    """One reader."""

    name: str
    corpus: tuple[bytes, ...]
    """Valid files."""
    read: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = (UserError,)


def make_readers(folder: Path) -> tuple[Reader, ...]:
    """Return all readers; files that they need lie in the folder, best one in memory."""
    kinds = (_tomls, _spaces, _tables, _records, _journals, _binaries)
    return tuple(reader for kind in kinds for reader in kind(folder))


def _tomls(folder: Path) -> Iterator[Reader]:
    path = folder / "config.toml"
    configs = []
    for changes in ({}, {"schedule": "one_cycle", "dense_width": 6}):
        write_config(path, _config(changes), {"study": "toy", "environment": {"torch": "2"}})
        configs.append(path.read_bytes())
    yield Reader("TOML: configuration", tuple(configs), _through(path, read_config))
    ensemble = folder / "ensemble"
    members = tuple(Member(f"m{seed}", f"members/m{seed}", _model(seed)) for seed in (1, 2))
    for member in members:
        (ensemble / member.path).mkdir(parents=True)
        write_model(ensemble / member.path / WEIGHTS, member.model)
    mean = Weighted("mean", (0.5, 0.5))
    write_ensemble(ensemble, Ensemble(members, mean, out_of_fold={"accuracy": 0.5}))
    path = ensemble / ENSEMBLE
    read = _through(path, lambda _: read_ensemble(ensemble))
    yield Reader("TOML: ensemble", (path.read_bytes(),), read)


def _spaces(_: Path) -> Iterator[Reader]:
    names = ("capacity", "regularization", "augmentation_grid", "everything")
    tables = [load_space(SPACES / f"{name}.py").to_json() for name in names]

    def read(content: bytes) -> None:
        table = checked_table(json.loads(content))
        for row in table["parameters"]:
            wording.values(row)
            wording.existence(row)
            scale = Scale(row)
            scale.marks()
            scale.axis()
        list(pins._space_differences(tables[0], table))

    corpus = tuple(json.dumps(table).encode() for table in tables)
    # ValueError and RecursionError of JSON are the journal's to tell, which is read before.
    yield Reader("space table", corpus, read, (ValueError, RecursionError))


def _tables(folder: Path) -> Iterator[Reader]:
    table = (
        b"Image file,Medium,Museum,Subset,Width,Height\n"
        b'a.jpg,bronze,Met,train,512,300.5\n"b,1.jpg","silk, woven",,val,,\n'
        b"c.jpg,clay,LACMA,test,9,9\n"
    )
    yield Reader("CSV: metadata", (table,), _through(folder / "table.csv", mame_layout.read_table))
    labels = b'0,bronze\n1,clay\n2,"silk, woven"\n'
    yield Reader(
        "CSV: labels", (labels,), _through(folder / "labels.csv", mame_layout.read_labels)
    )
    path, names = folder / "probabilities.csv", ("a.jpg", "b,1.jpg")
    numbers = np.array([0, 2])
    write_probabilities(path, np.array([[0.5, 0.25, 0.25], [0, 0, 1.0]]), numbers, names, _CLASSES)
    yield Reader(
        "CSV: probabilities",
        (path.read_bytes(),),
        _through(path, lambda p: read_probabilities(p, numbers, names, _CLASSES)),
    )
    trial = create_trial(value=0.5, params={}, distributions={}, intermediate_values={1: 0.5})
    history = b"epoch,value,train_loss,energy_j\n1,0.25,2.5,nan\n2,0.5,inf,450\n3,0.5,1e-9,\n"
    # Damaged curves are never an error: what Optuna keeps stands in for them.
    yield Reader(
        "CSV: history", (history,), lambda content: read_history(trial, _Kept(content)), ()
    )


def _records(folder: Path) -> Iterator[Reader]:
    opening = {
        "when": "2026-01-31T12:00:00+00:00",
        "model": {
            "kind": "model",
            "path": "runs/a",
            "config_digests": ["0" * 12],
            "weights_digests": ["1" * 12],
        },
        "data": {"name": "digits", "digest": "2" * 12},
        "score": {"accuracy": 0.5, "n_images": 360},
        "reason": None,
    }
    lines = [json.dumps(opening), json.dumps({**opening, "reason": "a new split"})]
    text = "\n".join([*lines, ""]).encode()
    yield Reader("ledger", (text,), _through(folder / "ledger.jsonl", read_openings))


def _journals(folder: Path) -> Iterator[Reader]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    source = folder / "source.log"
    storage = JournalStorage(JournalFileBackend(str(source)))
    study = optuna.create_study(storage=storage, study_name="small", direction="maximize")
    study.set_user_attr("space", load_space(SPACES / "dropout.py").to_json())
    study.set_user_attr("data", {"name": "digits", "digest": "d" * 12, "classes": ["0", "1"]})
    study.set_user_attr("objective", {"epochs": 2, "seed": 0})
    for number in range(2):
        trial = study.ask()
        trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("pool", ("max", "average"))
        trial.set_user_attr("config", {"seed": number})
        trial.report(0.5, 1)
        study.tell(trial, 0.5)
    journal = source.read_bytes()
    path = folder / "journal.log"

    def read(path: Path) -> None:
        with redirect_stderr(io.StringIO()):  # where an unfinished last line is told
            place = open_storage(str(path), create=False)
            for name in optuna.get_all_study_names(place.storage):
                load_study(place, name)

    yield Reader("journal", (journal,), _through(path, read))
    yield Reader(
        "journal: the doctor's lines",
        (journal,),
        _through(path, lambda p: list(read_lines(p))),
        (),
    )


def _binaries(folder: Path) -> Iterator[Reader]:
    arrays = io.BytesIO()
    probs = np.full((4, 2), 0.5, np.float16)
    np.savez_compressed(arrays, probs=probs, labels=np.array([0, 1, 1, 0]), epoch=np.int64(3))
    yield Reader("predictions (.npz)", (arrays.getvalue(),), read_predictions, (ValueError,))
    array = io.BytesIO()
    np.save(array, probs)

    def read_array(content: bytes) -> object:
        """Read predictions of which one array is damaged, and the archive around it is whole."""
        members = {"probs.npy": content}
        with zipfile.ZipFile(io.BytesIO(arrays.getvalue())) as whole:
            members = {name: whole.read(name) for name in whole.namelist()} | members
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        return read_predictions(made.getvalue())

    yield Reader("predictions: an array", (array.getvalue(),), read_array, (ValueError,))
    path = folder / WEIGHTS
    read_weights = _through(path, read_model)
    write_model(path, _model(1))
    tensors = path.read_bytes()
    yield Reader("weights (.safetensors)", (tensors,), read_weights)
    end = 8 + int.from_bytes(tensors[:8], "little")

    def read_header(content: bytes) -> object:
        """Read weights of which the header is damaged, and its length is told as it is."""
        return read_weights(len(content).to_bytes(8, "little") + content + tensors[end:])

    yield Reader("weights: the header", (tensors[8:end],), read_header)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("top/a.jpg", b"a" * 50)
        file.writestr("top/in/b.jpg", bytes(range(99)))
    into = folder / "into"
    into.mkdir()
    yield Reader(
        "archive (.zip)",
        (archive.getvalue(),),
        _through(folder / "a.zip", lambda path: unpack(path, into, progress=False)),
    )
    pictures = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA"):
        picture = io.BytesIO()
        Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(picture, kind)
        pictures.append(picture.getvalue())
    yield Reader(
        "image",
        tuple(pictures),
        _through(folder / "image", lambda path: read_image(path, 8)),
        (UnreadableImageError,),
    )


class _Kept(Artifacts):
    """Files of a trial that are all the same."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Path())
        self._content = content

    def read(self, owner: Any, name: str) -> bytes:
        return self._content


def _model(seed: int) -> Model:
    config = _config({}, seed)
    network = build_network(
        [config.network], channels=1, image_size=config.data.image_size, n_classes=len(_CLASSES)
    )
    network.initialise([generator(seed, "weights")])
    return Model(
        config=config,
        classes=_CLASSES,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        data_name="digits",
        data_digest="d" * 12,
        metrics={"val_accuracy": 0.5},
        provenance={"study": "toy"},
        state=network.member_state(0),
    )


def _config(changes: Mapping[str, Any], seed: int = 1) -> Config:
    return config_from_params(
        {"depth": 2, "width": 4, "batch_size": 8, **changes},
        source="digits",
        image_size=16,
        epochs=3,
        seed=seed,
        data_seed=0,
    )


def _through(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Return a reader of content, of one that reads a file."""

    def read_content(content: bytes) -> object:
        path.write_bytes(content)
        return read(path)

    return read_content
