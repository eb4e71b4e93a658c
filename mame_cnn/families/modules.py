"""T copies of any torch module as one network: what makes modules not of cohort layers members.

Members are computed one after the other, each with its rows of the stacked weights, so that
nothing is faster than alone; but whatever works for a cohort works for them: flat optimisers,
pruning, checkpoints, own coefficients.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.layers.dropout import CohortDropout, fill_scale

_DRAWN_DIMS: dict[type[nn.Module], int | None] = {
    nn.Dropout: None,
    nn.Dropout1d: 2,
    nn.Dropout2d: 2,
    nn.Dropout3d: 2,
}
"""How many leading dimensions are dropped one by one; None: all of them."""
_OF_MAPS = (nn.modules.conv._ConvNd, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)


def reset(module: nn.Module) -> None:
    """Draw the weights of all layers that know how to; other weights stay as they are."""
    for layer in module.modules():
        draw = getattr(layer, "reset_parameters", None)
        if draw is not None:
            draw()


class CohortOfModules(CohortNetwork):
    """T networks of the shape of one torch module, which takes [N, C, H, W] and returns [N, K].

    Weights and statistics have the module's names after `module.`. Its dropout layers draw from
    the members' generators; normalisations count no batches. All randomness must lie in layers of
    the kinds that torch.nn has for dropout.
    """

    def __init__(
        self, template: nn.Module, n_members: int, *, start: Callable[[nn.Module], None] = reset
    ) -> None:
        """Stack copies of a module, which itself stays as it is.

        Raises `ValueError` naming what cannot be stacked.

        Args:
            template: one network, on the CPU or the meta device.
            n_members: how many there are.
            start: draws a member's first weights into a copy of the template, with torch's
                global generator of the CPU, which has been seeded for it.
        """
        super().__init__()
        self._template = (template,)  # in a tuple, so that it is no part of this module
        self._start = start
        self.module = copy.deepcopy(template)
        _forget_counts(self.module)
        self.module = _with_dropout(self.module, n_members, {})
        if faults := list(_faults(self.module)):
            raise ValueError("\n".join(faults))
        _stack(self.module, n_members)

    @property
    def output_bias(self) -> nn.Parameter:
        """What is added to the members' logits, [T, K]: the bias of the last linear layer."""
        linear = [layer for layer in self.module.modules() if isinstance(layer, nn.Linear)]
        if not linear or linear[-1].bias is None:
            raise ValueError("the module ends in no linear layer with a bias")
        return linear[-1].bias

    @torch.no_grad()
    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw every member's weights from its own generator."""
        own = self.module.state_dict()
        for slot, generator in enumerate(generators):
            seed = int(torch.randint(2**62, (), generator=generator))
            alone = copy.deepcopy(self._template[0])
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                self._start(alone)
            for name, tensor in alone.state_dict().items():
                if name in own:
                    own[name][slot].copy_(tensor)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every member, in the weights' type."""
        example = self.weight()
        # One backward pass for all rows of a weight; statistics are changed in place.
        rows = {name: weight.unbind() for name, weight in self.module.named_parameters()}
        statistics = dict(self.module.named_buffers())
        is_mixed = self.precision not in (None, example.dtype)
        logits = []
        for slot in range(len(example)):
            for dropout in self._dropouts():
                dropout.slot = slot
            own = {name: weights[slot] for name, weights in rows.items()}
            own |= {name: tensor[slot] for name, tensor in statistics.items()}
            seen = images[slot] if images.ndim == 5 else images
            with torch.autocast(images.device.type, self.precision) if is_mixed else nullcontext():
                said: Tensor = functional_call(self.module, own, (seen,))
            logits.append(said.to(example.dtype))
        return torch.stack(logits)  # [T, N, K]

    def named_kernels(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield all weights of two and more dimensions with the names of their layers."""
        for name, weight in self.named_parameters():
            if weight.ndim > 2:  # [T, O, I, ...]
                yield name.rpartition(".")[0], weight

    def named_maps(self) -> dict[str, nn.Module]:
        """Return all innermost layers up to the last that is sure to return maps."""
        leaves = {
            name: layer for name, layer in self.module.named_modules() if not any(layer.children())
        }
        places = [place for place, one in enumerate(leaves.values()) if isinstance(one, _OF_MAPS)]
        n_maps = max(places, default=-1) + 1
        return {
            name: layer
            for name, layer in list(leaves.items())[:n_maps]
            if not isinstance(layer, CohortDropout)
        }

    def _dropouts(self) -> Iterator["MemberDropout"]:
        return (layer for layer in self.module.modules() if isinstance(layer, MemberDropout))


class MemberDropout(CohortDropout):
    """Dropout of one member at a time, by its own rate and from its own generator."""

    def __init__(self, drop_rates: Sequence[float], drawn_dims: int | None = None):
        """Take the members' rates.

        Args:
            drop_rates: one a member.
            drawn_dims: how many leading dimensions of the outputs are dropped one by one, what
                lies in the others together; None: every output by itself.
        """
        super().__init__(drop_rates)
        self.slot = 0
        """Whose outputs come next."""
        self._drawn_dims = drawn_dims

    def forward(self, outputs: Tensor) -> Tensor:
        """Return a member's outputs, in training with some of them dropped."""
        rate = self.drop_rates[self.slot]
        if not self.training or not rate:
            return outputs
        self.check_generators()
        n_drawn = outputs.ndim if self._drawn_dims is None else self._drawn_dims
        shape = (*outputs.shape[:n_drawn], *(1 for _ in outputs.shape[n_drawn:]))
        scale = torch.empty(shape, dtype=outputs.dtype, device=outputs.device)
        fill_scale(scale, rate, self.generators[self.slot])
        return outputs * scale


def _forget_counts(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.momentum is not None:
            layer.num_batches_tracked = None


def _with_dropout(
    module: nn.Module, n_members: int, made: dict[nn.Module, MemberDropout]
) -> nn.Module:
    """Put dropout that knows members in the place of each layer of torch's.

    Args:
        made: what has been put in place so far; a layer that is used twice stays one.
    """
    if isinstance(module, _DropoutNd) and type(module) in _DRAWN_DIMS:
        if module not in made:
            made[module] = MemberDropout([module.p] * n_members, _DRAWN_DIMS[type(module)])
        return made[module]
    for name, child in list(module._modules.items()):
        if child is not None:
            setattr(module, name, _with_dropout(child, n_members, made))
    return module


def _faults(module: nn.Module) -> Iterator[str]:
    """Say what of a module no member could have by itself."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not tensor.is_floating_point():
            type_ = str(tensor.dtype).removeprefix("torch.")
            yield f"{name}: of type {type_}, which is neither learnt nor averaged"
    for name, weight in module.named_parameters():
        if not weight.requires_grad:
            yield f"{name}: is not to be learnt (requires_grad); expected a buffer then"
    for name, layer in module.named_modules():
        if isinstance(layer, _DropoutNd):
            allowed = ", ".join(kind.__name__ for kind in _DRAWN_DIMS)
            yield f"{name}: {type(layer).__name__}; expected one of {allowed}"


def _stack(module: nn.Module, n_members: int) -> None:
    """Let every weight and statistic become T copies of itself; what is shared stays shared."""
    stacked: dict[int, nn.Parameter] = {}
    for layer in module.modules():
        for name, weight in layer.named_parameters(recurse=False):
            if id(weight) not in stacked:
                stacked[id(weight)] = nn.Parameter(
                    _copies(weight, n_members), requires_grad=weight.requires_grad
                )
            setattr(layer, name, stacked[id(weight)])
        for name, tensor in layer.named_buffers(recurse=False):
            setattr(layer, name, _copies(tensor, n_members))


def _copies(tensor: Tensor, n_members: int) -> Tensor:
    return tensor.detach().expand(n_members, *tensor.shape).clone()
