"""Files of weights: found or fetched, checked by hash, and read without running anything in them.

The format is that of torch.save(model.state_dict(), path), in which torchvision publishes its
weights, or safetensors.
"""

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor

from commands.errors import UserError
from mame_cnn.data.listing import some
from mame_cnn.pretrained.backbones import Backbone, file_name

TORCHVISION = "torchvision"
"""In place of a path: what torchvision itself would use, downloaded where it is not there yet."""
_MOST_BYTES = 4 * 2**30
_PIECE_BYTES = 2**24
# Files from before 2018 name the layers of DenseNet otherwise; torchvision renames them as well.
_OLD_DENSENET = re.compile(
    r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$"
)
_COUNTER = ".num_batches_tracked"
"""Files of old versions lack it, and nothing here needs it."""


def find(backbone: Backbone, weights: str, sha256: str) -> Path:
    """Return the file of a backbone's weights, after torchvision's has been downloaded if missing.

    Raises `UserError` saying what to download and where to put it if that is not possible.

    Args:
        weights: a path, or `torchvision`.
        sha256: at least the first 8 hex digits; they choose among torchvision's files.
    """
    if weights != TORCHVISION:
        return Path(weights).expanduser()
    url = backbone.released.get(sha256[:8])
    if url is None:
        raise UserError(
            f"network.sha256: torchvision has no weights {sha256} for {backbone.name}; it has "
            + ", ".join(backbone.released)
        )
    place = Path(torch.hub.get_dir(), "checkpoints", file_name(url))
    if not place.is_file():
        _download(url, place, sha256[:8])
    return place


def _download(url: str, place: Path, prefix: str) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(place), hash_prefix=prefix, progress=False)
    except (OSError, RuntimeError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise UserError(
            f"pretrained weights are not on this machine and cannot be downloaded ({reason}); "
            f"download {url} elsewhere and put it at {place}, or name the file in "
            "network.weights"
        ) from None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits; `UserError` if it cannot be read."""
    if not path.is_file():
        raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    if (n_bytes := path.stat().st_size) > _MOST_BYTES:
        raise UserError(f"{path}: {n_bytes / 2**30:,.1f} GiB; weights have at most 4")
    content = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                content.update(piece)
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    return content.hexdigest()


def check_hash(path: Path, sha256: str) -> None:
    """Raise `UserError` if a file's SHA-256 does not begin with these digits."""
    found = sha256_of(path)
    if not found.startswith(sha256):
        raise UserError(
            f"{path}: SHA-256 is {found}, the configuration says {sha256}: another file, or a "
            "damaged one"
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU.

    Raises `UserError` if it holds anything else.
    """
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what it then refuses to read
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of any kind: damaged files lead torch's reader anywhere
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path}: not a file of weights, or damaged; expected what "
            f"torch.save(model.state_dict(), path) writes, or safetensors: {reason}"
        ) from None
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise UserError(
            f"{path}: expected tensors by name, as torch.save(model.state_dict(), path) writes "
            f"them, got {type(content).__name__} with something else in it"
        )
    return dict(content)


def fitting(path: Path, backbone: Backbone, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of torchvision's present version.

    Raises `UserError` listing how they differ if they are another architecture's.
    """
    expected = {
        name: tuple(tensor.shape)
        for name, tensor in backbone.model().state_dict().items()
        if not name.endswith(_COUNTER)
    }
    got = {
        _OLD_DENSENET.sub(r"\1\2", name): tensor
        for name, tensor in tensors.items()
        if not name.endswith(_COUNTER)
    }
    faults = [f"{name}: missing" for name in expected.keys() - got.keys()]
    faults += [f"{name}: unexpected" for name in got.keys() - expected.keys()]
    faults += [
        f"{name}: expected shape {shape}, got {tuple(got[name].shape)}"
        for name, shape in expected.items()
        if name in got and tuple(got[name].shape) != shape
    ]
    faults = faults or [
        f"{name}: values that are not finite"
        for name, tensor in got.items()
        if not tensor.isfinite().all()
    ]
    if faults:
        lines = [f"{path}: not the weights of {backbone.name}:", *some(sorted(faults))]
        raise UserError("\n".join(lines))
    return {name: tensor.float() for name, tensor in got.items()}
