"""What a command line says of final training, and what it makes of a configuration."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError

from commands.arguments import cohort, share, whole
from commands.errors import UserError
from mame_cnn.configuration.config import Config, Plateau
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.inputs.device_data import DeviceData, with_validation
from mame_cnn.seeds import derive_seed


@dataclass(frozen=True)
class Plan:
    """How configurations are trained to the end; `Plan()` is as they say themselves."""

    epochs: int | None = None
    """None for what a configuration says."""
    ema_decay: float | None = None
    """None for what a configuration says."""
    cohort: int | str | None = None
    """How many train together; "auto": as many as train fastest."""
    uses_val: bool = False
    """Whether validation images are trained on as well."""

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Plan":
        """Return what the options of `add_options` say."""
        return cls(options.epochs, options.ema, options.cohort, options.train_on_val)

    @property
    def splits(self) -> str:
        """What is trained on, as it is written down."""
        return "train+val" if self.uses_val else "train"

    def refused(self, config: Config) -> str | None:
        """Say why a configuration cannot be trained so, or return None."""
        if not self.uses_val or not isinstance(config.training.schedule, Plateau):
            return None
        return (
            "--train-on-val: the schedule plateau lowers the learning rate where the loss of "
            "validation images stops falling, and none are left that are not trained on; the "
            "other schedules can be repeated"
        )

    def applied(self, config: Config, source: str) -> Config:
        """Return the configuration to train.

        Raises `UserError` for one that cannot be trained so, or not with these epochs.
        """
        if reason := self.refused(config):
            raise UserError(reason)
        content = config.model_dump(mode="json")
        content["data"]["source"] = source
        training = content["training"]
        if self.ema_decay is not None:
            training["ema_decay"] = self.ema_decay
        if self.uses_val:
            training["patience_epochs"] = 0
        if self.epochs is not None:
            training["epochs"] = self.epochs
        try:
            return Config.model_validate(content)
        except ValidationError as error:  # steps that fewer epochs would never reach
            raise UserError("\n".join(describe_faults(error))) from None

    def kept_epoch(self, config: Config, provenance: Mapping[str, Any]) -> int | None:
        """Return the epoch that is the last and kept; None: validation chooses one.

        With validation images trained on nothing can tell when to stop. The training that found
        the best epoch is repeated up to there: schedules are still stretched over all epochs of
        the configuration. Raises `UserError` if neither options nor provenance know an epoch.

        Args:
            config: as it is trained.
        """
        if not self.uses_val:
            return None
        if self.epochs is not None:
            return self.epochs
        known, most = _best_epoch(provenance), config.training.epochs
        if known is None:
            raise UserError(
                "--train-on-val: needs --epochs, as no validation is left to choose them and "
                "the configuration names no best_epoch"
            )
        if type(known) is not int or not 1 <= known <= most:
            raise UserError(
                f"--train-on-val: best_epoch in the configuration's provenance: expected one of "
                f"its {most} epochs, got {known!r}; choose with --epochs"
            )
        return known

    def data(self, data: DeviceData) -> DeviceData:
        """Return the images to train on."""
        return with_validation(data) if self.uses_val else data

    def cohort_size(self, device: torch.device) -> int | None:
        """Return how many train together, None for as many as train fastest.

        On a CPU one at a time where nothing is asked for: in company a network's numbers are
        rounded otherwise, and its training would not repeat that of the search.
        """
        if isinstance(self.cohort, int):
            return self.cohort
        return 1 if self.cohort is None and device.type == "cpu" else None


def _best_epoch(provenance: Mapping[str, Any]) -> Any:
    """Return the best epoch of a run whose configuration it is, else that of the search."""
    training = provenance.get("training")
    if isinstance(training, Mapping) and "best_epoch" in training:
        return training["best_epoch"]
    return provenance.get("best_epoch")


AS_IT_SAYS = Plan()
"""A configuration's own epochs, on training images alone."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of final training that commands share."""
    add = parser.add_argument
    add("--data", metavar="DIR|digits", help="default: what the configuration names")
    add("--epochs", type=whole(at_least=1), metavar="E", help="default: what it says")
    add("--seeds", type=whole(at_least=1), default=1, metavar="K", help="train it K times")
    add("--ema", type=share, metavar="DECAY", help="average weights over steps, such as 0.999")
    add(
        "--train-on-val",
        action="store_true",
        help="train on validation images too, for --epochs (default: up to the best epoch before)",
    )
    add(
        "--cohort",
        type=cohort,
        metavar="auto|T",
        help="networks of one shape that train as one, where they fit; auto: as many as train "
        "fastest (default: auto on a GPU, 1 on a CPU)",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    add(
        "--precision",
        default="auto",
        help="auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware has it)",
    )
    add("--onnx", action="store_true", help="write what was trained as model.onnx as well")
    add("--quiet", action="store_true", help="print errors only")


def with_seed(config: Config, number: int) -> Config:
    """Return the configuration as it is for number 0, else with a seed derived for it."""
    seed = config.seed if number == 0 else derive_seed(config.seed, "repetition", number)
    return config.model_copy(update={"seed": seed})
