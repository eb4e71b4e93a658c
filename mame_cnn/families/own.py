"""Networks of one's own: any torch module in the place of ours, under a name it is registered by.

A configuration holds the name and the settings, never code: whoever reads a stranger's file runs
nothing but what this program has registered itself. Modules that register networks for commands
are named by $MAME_NETWORKS, not by files.
"""

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from commands.errors import UserError
from commands.nearest import did_you_mean
from mame_cnn.configuration.network import Own, Penalties
from mame_cnn.families.modules import CohortOfModules

MODULES = "MAME_NETWORKS"
"""The environment variable that names modules to import, separated by commas."""
_N_TRIED = 2
"""Images that a network is tried on: of one, normalisations have nothing to compare."""


class OwnNetwork(Protocol):
    """What makes a network of one's own; a class of modules is one."""

    def __call__(
        self, channels: int, image_size: int, n_classes: int, *_: Any, **settings: Any
    ) -> nn.Module:
        """Return a module from normalised images [N, C, H, W] to logits [N, K].

        Its weights are drawn here, by torch's global generator, which has been seeded for it. All
        other randomness must lie in torch.nn's dropout layers. It must also work on torch's meta
        device, where memory is foretold from shapes: what it computes may not depend on values.

        Args:
            channels: of the images.
            image_size: their height and width in pixels.
            n_classes: how many logits are returned.
            settings: as the configuration has them; a search's parameters without `own_`. All
                are given by name.
        """


Made = TypeVar("Made", bound=OwnNetwork)
_networks: dict[str, OwnNetwork] = {}


def register(name: str) -> Callable[[Made], Made]:
    """Register what it decorates under a name, by which configurations mean it.

    Another one of the same name takes its place, as when a notebook's cell is run again. What was
    trained needs its own network: one with other layers should have another name.
    """

    def take(network: Made) -> Made:
        _networks[name] = network
        return network

    return take


def registered(name: str) -> OwnNetwork:
    """Return the network of a name; `UserError` where none is registered."""
    if name not in _networks:
        _import_named()
    if name not in _networks:
        hint = did_you_mean(name, _networks)
        there = f"there are {', '.join(sorted(_networks))}" if _networks else "there is none"
        raise UserError(
            f"network.name: no network is registered as {name}{hint} ({there}); import what "
            f"registers it, or name its module: {MODULES}=module"
        )
    return _networks[name]


class OwnCohort(CohortOfModules):
    """T networks of one's own, of one name and one set of settings."""

    def __init__(
        self, members: Sequence[Own], *, channels: int, image_size: int, n_classes: int
    ) -> None:
        shape = members[0]

        def make() -> tuple[nn.Module, str | None]:
            return _make(shape, channels, image_size, n_classes)

        def draw(alone: nn.Module) -> None:
            alone.load_state_dict(make()[0].state_dict())

        with torch.random.fork_rng(devices=[]):
            # What a network draws and keeps out of its state is the same for all members.
            torch.default_generator.manual_seed(0)
            template, self._output = make()
        try:
            super().__init__(template, len(members), start=draw)
        except ValueError as error:
            raise UserError(f"network {shape.name}: {error}") from error
        self._name = shape.name

    @classmethod
    def infeasible(cls, network: Own, image_size: int) -> str | None:
        """Say why images of this size are too small, or return None.

        It is tried without computing anything, on images of three channels, then of one.
        """
        said = None
        for channels in (3, 1):
            try:
                with torch.device("meta"):
                    _make(network, channels, image_size, n_classes=2)
            except UserError as error:
                said = said or str(error)
            else:
                return None
        return said

    @property
    def output_bias(self) -> nn.Parameter:
        """What is added to the members' logits, [T, K]: the bias of the layer that makes them."""
        bias = None if self._output is None else self.module.get_submodule(self._output).bias
        if not isinstance(bias, nn.Parameter):
            raise UserError(
                f"training.initial_bias: frequencies need a bias of the outputs; network "
                f"{self._name}: no linear layer with a bias makes its logits"
            )
        return bias

    def penalised(self, member: Own) -> list[tuple[nn.Parameter, Penalties]]:
        """Return every kernel but the one that makes the outputs, with a member's penalties."""
        named = list(self.named_kernels())
        last = named[-1][0] if self._output is None else f"module.{self._output}"
        return [(kernel, member) for name, kernel in named if name != last]


def _make(
    own: Own, channels: int, image_size: int, n_classes: int
) -> tuple[nn.Module, str | None]:
    """Return one network that has been tried: also its lazy layers have weights then.

    And the name of the linear layer that makes its logits; None if none does.
    """
    network = registered(own.name)
    try:
        module = network(
            channels=channels, image_size=image_size, n_classes=n_classes, **own.settings
        )
        is_training = module.training
        logits, output = _tried(module, torch.zeros(_N_TRIED, channels, image_size, image_size))
        module.train(is_training)
    except UserError:
        raise
    except Exception as error:  # a module of one's own may raise anything
        said = f"{type(error).__name__}: {error}"
        raise UserError(
            f"network {own.name} with {_told(own.settings)} fails on images of {channels} x "
            f"{image_size} x {image_size}: {said}"
        ) from error
    if tuple(logits.shape) != (_N_TRIED, n_classes):
        raise UserError(
            f"network {own.name}: expected logits of shape {(_N_TRIED, n_classes)} for {_N_TRIED} "
            f"images, got {tuple(logits.shape)}"
        )
    return module, output


@torch.no_grad()
def _tried(module: nn.Module, images: Tensor) -> tuple[Tensor, str | None]:
    """Return the logits, and the name of the linear layer that returned them."""
    returned: dict[str, Tensor] = {}

    def noting(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def note(layer: nn.Module, taken: object, logits: Tensor) -> None:
            returned[name] = logits

        return note

    hooks = [
        layer.register_forward_hook(noting(name))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    logits: Tensor = module.eval()(images)
    for hook in hooks:
        hook.remove()
    return logits, next((name for name, own in returned.items() if own is logits), None)


def _told(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items()) or "no settings"


def _import_named() -> None:
    """Import the modules that the environment names; they register their networks."""
    for name in filter(None, os.environ.get(MODULES, "").split(",")):
        try:
            importlib.import_module(name.strip())
        except ImportError as error:
            raise UserError(f"${MODULES}: {name}: {error}") from error
