"""What an evaluation leaves behind, in one folder.

metrics.json                        every score, with its 95 % interval where it has one
classification_report.csv           precision, recall, F1, support by class
confused_pairs.csv                  which classes are taken for each other, and how often
museums.csv                         accuracy by museum, where the data name museums
probabilities.csv                   one row an image, one column a class
confusion_matrices.html, .png       of the network, or of an ensemble and its members
gallery-wrong.png                   the most confident wrong answers
gallery-CLASS.png                   images of a class that were recognised
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sklearn.metrics import confusion_matrix

from commands.errors import naming
from mame_cnn.data.dataset import Pixels
from mame_cnn.pictures.confusions import confusions_html, confusions_png
from mame_cnn.pictures.gallery import Answers, write_galleries
from mame_cnn.scoring.evaluation import by_museum, confused_pairs, evaluate
from mame_cnn.scoring.intervals import Interval, intervals
from mame_cnn.scoring.probabilities_file import write_probabilities
from mame_cnn.scoring.scores import Floats, Integers, Scores, scores

Members = Mapping[str, Floats]
"""An ensemble's members' probabilities [N, K], by name; empty for one network."""
NO_MEMBERS: Members = {}
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Measured:
    """All scores of one split."""

    scores: Scores
    intervals: Mapping[str, Interval]
    """By the name of the score; none of the calibration error."""
    members: Mapping[str, Scores]
    """By the name of an ensemble's member."""

    def to_table(self) -> dict[str, Any]:
        """Return the scores as JSON takes them; `low` and `high` are null for no interval."""
        found = asdict(self.scores)
        n_images = found.pop("n_images")
        scores = {}
        for name, value in found.items():
            interval = self.intervals.get(name)
            ends = asdict(interval) if interval else {"low": None, "high": None}
            scores[name] = {"value": value, **ends}
        return {
            "n_images": n_images,
            "scores": scores,
            # With one class an image, the three micro means are one number.
            "micro": dict.fromkeys(("precision", "recall", "f1"), found["accuracy"]),
            "members": {name: asdict(own) for name, own in self.members.items()},
        }


def measure(probs: Floats, labels: Integers, members: Members = NO_MEMBERS) -> Measured:
    """Return every score of probabilities [N, K]."""
    own = {name: scores(member, labels) for name, member in members.items()}
    return Measured(scores(probs, labels), intervals(probs, labels), own)


def write_scores(
    folder: Path,
    measured: Measured,
    probs: Floats,
    labels: Integers,
    names: Sequence[str],
    classes: Sequence[str],
    *,
    about: Mapping[str, Any] = NOTHING,
) -> None:
    """Write `metrics.json` and `probabilities.csv`, from which all else can be made again.

    Args:
        about: what `metrics.json` says before the figures: split, model, data.
    """
    with naming(folder):
        metrics = {**about, **measured.to_table()}
        text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
        write_probabilities(folder / "probabilities.csv", probs, labels, names, classes)


def write_views(
    folder: Path,
    probs: Floats,
    labels: Integers,
    classes: Sequence[str],
    images: Pixels,
    *,
    members: Members = NO_MEMBERS,
    museums: Sequence[str] = (),
) -> None:
    """Write the tables and pictures of what a network says of a split.

    Args:
        probs: [N, K], of the network, or of the ensemble as a whole.
        images: uint8 [N, H, W, C]; only those in galleries are read.
        museums: one an image, or none at all.
    """
    evaluation = evaluate(probs, labels, classes)
    matrices = {
        f"ensemble of {len(members)}" if members else "network": evaluation.confusions.to_numpy()
    }
    for name, own in members.items():
        numbers = range(len(classes))
        matrices[name] = confusion_matrix(labels, own.argmax(1), labels=numbers)
    with naming(folder):
        evaluation.report.to_csv(folder / "classification_report.csv", index=False)
        confused_pairs(evaluation.confusions).to_csv(folder / "confused_pairs.csv", index=False)
        if museums:
            by_museum(probs, labels, museums).to_csv(folder / "museums.csv", index=False)
        confusions_html(folder / "confusion_matrices.html", matrices, classes)
        confusions_png(folder / "confusion_matrices.png", matrices, classes)
        write_galleries(folder, Answers(images, probs, labels, classes))
