"""The complete description of one classifier on features, and the flat parameters for it.

As with networks, a configuration leaves nothing open, and whatever a search or a command does not
say has the default below.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from commands.errors import UserError
from commands.nearest import did_you_mean
from mame_cnn.configuration.config import LARGEST_IMAGE_SIZE, SMALLEST_IMAGE_SIZE, digest
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.configuration.section import PlainText, Section
from mame_cnn.features.embedding import HIGH, LOW

Value = str | int | float


class Forest(Section):
    """A random forest (Breiman 2001) of scikit-learn's trees, grown until leaves are pure."""

    name: Literal["forest"]
    trees: int = Field(ge=1, le=10_000)
    min_samples_leaf: int = Field(ge=1, le=10_000)
    """Training images in each leaf at least."""


class Svm(Section):
    """A linear support vector machine, one class against all others (scikit-learn's LinearSVC)."""

    name: Literal["svm"]
    c: float = Field(gt=0)
    """Weight of the squared hinge losses' sum against half the squared norm of the weights."""


class Logistic(Section):
    """Multinomial logistic regression with an L2 penalty."""

    name: Literal["logistic"]
    c: float = Field(gt=0)
    """Weight of the log losses' sum against half the squared norm of the weights."""


class Neighbours(Section):
    """The k nearest training images by Euclidean distance, each with one vote."""

    name: Literal["neighbours"]
    neighbours: int = Field(ge=1, le=10_000)


Classifier = Annotated[Forest | Svm | Logistic | Neighbours, Field(discriminator="name")]


class Images(Section):
    """Which images, and how large they are shown; all else is the network's that looks at them."""

    source: PlainText = Field(min_length=1)
    """A folder, or `digits`."""
    image_size: int = Field(ge=SMALLEST_IMAGE_SIZE, le=LARGEST_IMAGE_SIZE)
    """Side of the square images in pixels."""


class FeaturesConfig(Section):
    """A classifier on features, complete."""

    seed: int = Field(ge=0, lt=2**63)
    """Seeds the forest, and the order in which the SVM visits images."""
    data: Images
    looker: PlainText = Field(min_length=1)
    """The network that looks at images: a backbone's name, or the path of a trained one."""
    weights: PlainText = Field(min_length=1)
    """Of a backbone: a file, or `torchvision`; a trained network brings its own."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")]
    """Of that file: digits that it begins with; empty where nobody has said."""
    layers: Annotated[tuple[PlainText, ...], Field(min_length=1, max_length=1000, strict=False)]
    """Names of layers, or of sets of them (`mame_cnn.features.layers`)."""
    discretisation: Literal["none", "full_network"]
    """Full-network makes -1, 0 and 1 of standardised features (`mame_cnn.features.embedding`)."""
    threshold_low: float = Field(le=0)
    """In standard deviations; below it, -1."""
    threshold_high: float = Field(ge=0)
    """In standard deviations; above it, 1."""
    metadata: Literal["none", "size"]
    """Whether the classifier sees the photographs' sizes as well (`mame_cnn.data.metadata`)."""
    classifier: Classifier

    @property
    def digest(self) -> str:
        """12 hex digits of SHA-256 over all of it but where the images lie."""
        return digest(self.model_dump(mode="json", exclude={"data": {"source"}}))

    @property
    def thresholds(self) -> tuple[float, float] | None:
        """Where features are cut into three, or None if they are not."""
        if self.discretisation == "none":
            return None
        return self.threshold_low, self.threshold_high


DEFAULTS: dict[str, Value] = {
    "layers": "all",
    "discretisation": "none",  # better on MAMe in all four comparisons of the document
    "threshold_low": LOW,
    "threshold_high": HIGH,
    "metadata": "none",
    "classifier": "forest",
    "trees": 100,
    "min_samples_leaf": 2,
    "c": 1.0,  # scikit-learn's
    "neighbours": 5,  # scikit-learn's
}
_OF_CLASSIFIER: dict[str, tuple[str, ...]] = {
    "trees": ("forest",),
    "min_samples_leaf": ("forest",),
    "c": ("svm", "logistic"),
    "neighbours": ("neighbours",),
}
"""Which classifiers have a parameter."""
_FIELDS: dict[str, tuple[type[Section], str]] = {
    "trees": (Forest, "trees"),
    "min_samples_leaf": (Forest, "min_samples_leaf"),
    "c": (Svm, "c"),
    "neighbours": (Neighbours, "neighbours"),
    **{
        name: (FeaturesConfig, name)
        for name in ("discretisation", "threshold_low", "threshold_high", "metadata")
    },
}


class _Names(Section):
    layers: PlainText = Field(min_length=1)
    classifier: Literal["forest", "svm", "logistic", "neighbours"]


def _adapters() -> dict[str, TypeAdapter[Any]]:
    fields: dict[str, tuple[type[Section], str]] = {
        **_FIELDS,
        **{name: (_Names, name) for name in _Names.model_fields},
    }
    return {
        name: TypeAdapter(
            model.model_fields[field].rebuild_annotation(), config=Section.model_config
        )
        for name, (model, field) in fields.items()
    }


_ADAPTERS = _adapters()


def faults(values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return a message for each parameter that is unknown, impossible or without effect.

    Args:
        values: the values that a parameter may take, or the ends of its range, by name.
    """
    messages = []
    for name, possible in values.items():
        if name not in _ADAPTERS:
            hint = did_you_mean(name, _ADAPTERS)
            messages.append(f"{name}: no parameter of classifiers on features{hint}")
            continue
        for value in possible:
            try:
                _ADAPTERS[name].validate_python(value)
            except ValidationError as error:
                reason = error.errors(include_url=False)[0]["msg"]
                messages.append(f"{name}: {reason[0].lower()}{reason[1:]}, got {value!r}")
    return messages or _idle(values)


def _idle(values: Mapping[str, Sequence[Value]]) -> list[str]:
    classifiers = values.get("classifier", (DEFAULTS["classifier"],))
    kinds = values.get("discretisation", (DEFAULTS["discretisation"],))
    messages = [
        f"{name}: has an effect only where classifier is {' or '.join(of)}"
        for name, of in _OF_CLASSIFIER.items()
        if name in values and not set(of) & set(classifiers)
    ]
    if "full_network" not in kinds:
        messages += [
            f"{name}: has an effect only where discretisation is full_network"
            for name in ("threshold_low", "threshold_high")
            if name in values
        ]
    return messages


def config_from_params(
    params: Mapping[str, Value],
    *,
    looker: str,
    weights: str,
    sha256: str,
    source: str,
    image_size: int,
    seed: int,
) -> FeaturesConfig:
    """Return the complete configuration that flat parameters stand for.

    Raises `UserError` naming every parameter that is unknown, out of range or without effect.

    Args:
        params: of these `layers` may hold several names with a + between them.
    """
    if messages := faults({name: [value] for name, value in params.items()}):
        raise UserError("\n".join(messages))
    given = {**DEFAULTS, **params}
    name = given["classifier"]
    own = [field for field, of in _OF_CLASSIFIER.items() if name in of]
    content = {
        "seed": seed,
        "data": {"source": source, "image_size": image_size},
        "looker": looker,
        "weights": weights,
        "sha256": sha256,
        "layers": str(given["layers"]).split("+"),
        "discretisation": given["discretisation"],
        "threshold_low": given["threshold_low"],
        "threshold_high": given["threshold_high"],
        "metadata": given["metadata"],
        "classifier": {"name": name, **{field: given[field] for field in own}},
    }
    try:
        return FeaturesConfig.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(describe_faults(error))) from None
