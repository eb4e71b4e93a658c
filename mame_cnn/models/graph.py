"""Models and ensembles as one torch module each, from bytes to probabilities, for exporters.

The arithmetic of `mame_cnn.combining` in torch and in float32, which every runtime computes;
tests hold the two together.
"""

import torch
from torch import Tensor, nn

from mame_cnn.combining.combination import ClassWeighted, Combination, Geometric, Weighted
from mame_cnn.combining.members import LEAST
from mame_cnn.models.ensemble import Ensemble, Member, Specialists
from mame_cnn.models.model import Model

_CPU = torch.device("cpu")
_TYPE = torch.float32


def graph(model: Model | Ensemble) -> nn.Module:
    """Return a module from uint8 images [N, H, W, C] to float32 probabilities [N, K]."""
    if isinstance(model, Model):
        return model.classifier(_CPU, _TYPE, dtype=_TYPE)
    return _EnsembleGraph(model).eval()


class _EnsembleGraph(nn.Module):
    def __init__(self, ensemble: Ensemble):
        super().__init__()

        def network(member: Member) -> nn.Module:
            return member.model.classifier(_CPU, _TYPE, ensemble.views, _TYPE)

        self.members = nn.ModuleList([network(member) for member in ensemble.members])
        self.specialists = None
        if ensemble.specialists:
            general = network(ensemble.specialists.general)
            experts = [
                network(expert) if expert else None for expert in ensemble.specialists.experts
            ]
            self.specialists = _SpecialistsGraph(ensemble.specialists, general, experts)
        self.combination = _CombinationGraph(ensemble.combination)
        self.temperature = ensemble.temperature

    def forward(self, images: Tensor) -> Tensor:
        said = [member(images) for member in self.members]
        if self.specialists is not None:
            said.append(self.specialists(images))
        probs = self.combination(torch.stack(said))
        return torch.softmax(_floored_log(probs) / self.temperature, dim=-1)


class _SpecialistsGraph(nn.Module):
    """The probability of a class's group times that of the class within it."""

    places: Tensor

    def __init__(
        self, specialists: Specialists, general: nn.Module, experts: list[nn.Module | None]
    ):
        super().__init__()
        self.general = general
        self.experts = nn.ModuleList([expert or nn.Identity() for expert in experts])
        self.is_alone = [expert is None for expert in experts]
        classes = torch.tensor([k for group in specialists.groups for k in group])
        self.register_buffer("places", classes.argsort())

    def forward(self, images: Tensor) -> Tensor:
        of_groups = self.general(images).split(1, dim=1)
        probs = [
            of_group if is_alone else of_group * expert(images)
            for of_group, is_alone, expert in zip(
                of_groups, self.is_alone, self.experts, strict=True
            )
        ]
        return _normalised(torch.cat(probs, dim=1).index_select(1, self.places))


class _CombinationGraph(nn.Module):
    weights: Tensor  # [M, 1, 1] or [M, 1, K]
    intercepts: Tensor  # [1] or [K]

    def __init__(self, combination: Combination):
        super().__init__()
        assert isinstance(combination, (Weighted, Geometric, ClassWeighted))
        self.is_class_weighted = isinstance(combination, ClassWeighted)
        self.takes_logs = isinstance(combination, Geometric)
        intercepts: tuple[float, ...] = (0.0,)
        if isinstance(combination, ClassWeighted):
            self.takes_logs = combination.link == "logistic"
            intercepts = combination.intercepts
        weights = torch.tensor(combination.weights, dtype=_TYPE)
        self.register_buffer("weights", weights.view(len(weights), 1, -1))
        self.register_buffer("intercepts", torch.tensor(intercepts, dtype=_TYPE))

    def forward(self, probs: Tensor) -> Tensor:
        """Return the combination [N, K] of probabilities [M, N, K]."""
        terms = _floored_log(probs) if self.takes_logs else probs
        scores = (self.weights * terms).sum(0) + self.intercepts
        if self.takes_logs:
            return torch.softmax(scores, dim=-1)
        return _normalised(scores.clamp(min=LEAST) if self.is_class_weighted else scores)


def _floored_log(probs: Tensor) -> Tensor:
    return probs.clamp(min=LEAST).log()


def _normalised(scores: Tensor) -> Tensor:
    return scores / scores.sum(-1, keepdim=True)
