"""`python -m mame_cnn.predict RUN IMAGE...`: what a trained model says of any images."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from commands.arguments import whole
from commands.counting import counted
from commands.errors import UserError, check_can_be_written, exit_status, naming
from mame_cnn.data.listing import some
from mame_cnn.data.load import test_files
from mame_cnn.data.progress import in_threads
from mame_cnn.device import choose_device
from mame_cnn.models.answers import networks
from mame_cnn.models.decoding import decoded
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.logits import EVALUATION_BATCH
from mame_cnn.models.model import Model
from mame_cnn.models.onnx_export import export
from mame_cnn.models.opening import open_model
from mame_cnn.precision import choose_precision

_MOST_BYTES = 2**28
"""Of images in memory, where a batch does not need more."""
EXAMPLES = """\
examples:
  python -m mame_cnn.predict studies/regularization/runs/best-01 photo.jpg
  python -m mame_cnn.predict studies/regularization/ensemble *.jpg --out predictions.csv
  python -m mame_cnn.predict studies/regularization/ensemble --onnx ensemble.onnx
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    if options.out is not None and not options.images:
        raise UserError(f"--out {options.out}: there are no images to write predictions of")
    if not options.images and options.onnx is None:
        raise UserError("nothing to do: give images, or --onnx FILE")
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    for path in filter(None, (options.out, options.onnx)):
        check_can_be_written(path)
    model = open_model(options.run)
    if options.onnx is not None:
        export(model, options.onnx)
        print(f"written to {options.onnx}", file=sys.stderr)
    if options.images:
        table = predictions(model, options.images, device, precision, options.batch)
        with naming(options.out or Path("output")):
            table.to_csv(options.out or sys.stdout, index=False, float_format="%.6g")
        if options.out is not None:
            print(f"{counted(len(table), 'prediction')} written to {options.out}", file=sys.stderr)
    return 0


def predictions(
    model: Model | Ensemble,
    paths: Sequence[Path],
    device: torch.device,
    precision: torch.dtype,
    batch: int = EVALUATION_BATCH,
) -> pd.DataFrame:
    """Return a row an image: its path, the predicted class, the probability of each class.

    Raises `UserError` naming all images that cannot be read, or that are of the test split of the
    data that the model was trained on. Images come into memory part by part.
    """
    _check_are_not_of_test(model, paths)
    faults: list[str] = []
    parts = []
    # Many batches at once, as the network is built anew for each part.
    step = max(batch, _MOST_BYTES // (model.image_size**2 * model.channels))
    for first in range(0, len(paths), step):
        read = list(in_threads(lambda path: decoded(path, model), paths[first : first + step]))
        faults += [each for each in read if isinstance(each, str)]
        if not faults:  # else only the other unreadable images are still of interest
            images = np.stack([each for each in read if not isinstance(each, str)])
            parts.append(model.probs(images, device, precision, batch=batch))
    if faults:
        head = f"{counted(len(faults), 'image')} of {len(paths):,} cannot be read:"
        raise UserError("\n".join([head, *some(faults)]))
    probs = np.concatenate(parts)
    # Prefixed, as a class may be called `image`.
    table = pd.DataFrame(probs, columns=[f"prob {name}" for name in model.classes])
    table.insert(0, "image", [str(path) for path in paths])
    table.insert(1, "predicted", [model.classes[k] for k in probs.argmax(1)])
    return table


def _check_are_not_of_test(model: Model | Ensemble, paths: Sequence[Path]) -> None:
    sources = {network.config.data.source for network in networks(model)}
    closed = {str(path) for source in sources for path in test_files(source, paths)}
    if closed:
        head = f"{counted(len(closed), 'image')} of the test split, which is opened once, by"
        raise UserError(
            "\n".join([f"{head} `python -m mame_cnn.evaluate RUN --test`:", *some(sorted(closed))])
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.predict",
        description="Write what a run or an ensemble says of images, as CSV.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a run's folder, a weights file or an ensemble"
    )
    parser.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="default: stdout")
    parser.add_argument(
        "--onnx",
        type=Path,
        metavar="FILE.onnx",
        help="export the model, normalisation included (needs the extra `onnx`)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--precision", default="auto", help="auto, float32 or bfloat16")
    parser.add_argument(
        "--batch",
        type=whole(at_least=1),
        default=EVALUATION_BATCH,
        metavar="N",
        help=f"images computed at once (default: {EVALUATION_BATCH})",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
