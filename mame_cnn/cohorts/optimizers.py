"""Update rules for a cohort: torch.optim's, with coefficients that differ from row to row.

Each rule works in place on weights [T, P]; rates and step counts are [T, 1], so that every
member has its own. Constants are torch's defaults; each rule is tested against torch.optim.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """What a rule may use besides the gradient; all [T, 1]."""

    lr: Tensor
    momentum: Tensor
    number: Tensor
    """Updates of the member, this one included."""


Update = Callable[[Tensor, Tensor, State, Step], None]
"""(weights [T, P], gradients [T, P], state, step) -> None, changing weights and state."""


def _sgd(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    velocity = state["velocity"].mul_(step.momentum).add_(gradients)
    weights.sub_(step.lr * velocity)


def _correction(beta: float, step: Step) -> Tensor:
    """Return 1 - beta^number; expm1, because in float32 the difference would lose digits."""
    return -torch.expm1(step.number * math.log(beta))


def _moments(gradients: Tensor, state: State, step: Step) -> tuple[Tensor, Tensor]:
    """Move Adam's moments; return the first as it is, the root of the second corrected."""
    state["mean"].mul_(0.9).add_(gradients, alpha=0.1)
    state["square"].mul_(0.999).addcmul_(gradients, gradients, value=0.001)
    root = state["square"].sqrt().div_(_correction(0.999, step).sqrt()).add_(1e-8)
    return state["mean"], root


def _adam(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    """Kingma & Ba 2015, arXiv 1412.6980; AdamW too, as weight decay is decoupled for all."""
    mean, root = _moments(gradients, state, step)
    weights.sub_((mean / root).mul_(step.lr / _correction(0.9, step)))


def _nadam(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    """Dozat 2016, with its momentum schedule of decay 0.004."""
    mean, root = _moments(gradients, state, step)
    mu = 0.9 * (1 - 0.5 * 0.96 ** (step.number * 0.004))
    mu_next = 0.9 * (1 - 0.5 * 0.96 ** ((step.number + 1) * 0.004))
    product = state["mu_product"].mul_(mu)
    weights.sub_((gradients / root).mul_(step.lr * (1 - mu) / (1 - product)))
    weights.sub_((mean / root).mul_(step.lr * mu_next / (1 - product * mu_next)))


def _adamax(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    """Kingma & Ba 2015, section 7.1."""
    mean = state["mean"].mul_(0.9).add_(gradients, alpha=0.1)
    largest = state["largest"].mul_(0.999)
    torch.maximum(largest, gradients.abs().add_(1e-8), out=largest)
    weights.sub_((mean / largest).mul_(step.lr / _correction(0.9, step)))


def _adagrad(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    """Duchi et al. 2011."""
    total = state["sum"].addcmul_(gradients, gradients)
    weights.sub_((gradients / total.sqrt().add_(1e-10)).mul_(step.lr))


def _adadelta(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    """Zeiler 2012, arXiv 1212.5701."""
    square = state["square"].mul_(0.9).addcmul_(gradients, gradients, value=0.1)
    change = (state["change"] + 1e-6).sqrt_().div_((square + 1e-6).sqrt_()).mul_(gradients)
    state["change"].mul_(0.9).addcmul_(change, change, value=0.1)
    weights.sub_(change.mul_(step.lr))


def _rmsprop(weights: Tensor, gradients: Tensor, state: State, step: Step) -> None:
    """Tieleman & Hinton 2012, lecture 6.5."""
    square = state["square"].mul_(0.99).addcmul_(gradients, gradients, value=0.01)
    weights.sub_((gradients / square.sqrt().add_(1e-8)).mul_(step.lr))


# Beside each rule the state that it keeps.
RULES: dict[str, tuple[Update, tuple[str, ...]]] = {
    "sgd": (_sgd, ("velocity",)),
    "adam": (_adam, ("mean", "square")),
    "adamw": (_adam, ("mean", "square")),
    "nadam": (_nadam, ("mean", "square", "mu_product")),
    "adamax": (_adamax, ("mean", "largest")),
    "adagrad": (_adagrad, ("sum",)),
    "adadelta": (_adadelta, ("square", "change")),
    "rmsprop": (_rmsprop, ("square",)),
}


def _start(name: str, weights: Tensor) -> Tensor:
    """Return the first value of one piece of state: a product is 1, all else 0."""
    return torch.ones_like(weights[:, :1]) if name == "mu_product" else torch.zeros_like(weights)


class CohortOptimizer:
    """One update rule for a cohort, every member with its own coefficients."""

    def __init__(self, name: str, weights: Tensor):
        """Start with empty state for weights [T, P]."""
        self.name = name
        self.update, names = RULES[name]
        self.n_steps = weights.new_zeros(len(weights), 1)  # [T, 1]
        self.state: State = {entry: _start(entry, weights) for entry in names}

    @torch.no_grad()
    def step(
        self,
        weights: Tensor,
        gradients: Tensor,
        *,
        lr: Tensor,
        momentum: Tensor,
        weight_decay: Tensor,
        n_decayed: int,
    ) -> None:
        """Update weights [T, P] in place; lr, momentum and weight_decay are [T, 1].

        Args:
            n_decayed: weight decay acts on so many of the first columns; it is decoupled
                (Loshchilov & Hutter 2019): they are multiplied by 1 - lr * weight_decay first.
        """
        self.n_steps += 1
        weights[:, :n_decayed].mul_(1 - lr * weight_decay)
        self.update(weights, gradients, self.state, Step(lr, momentum, self.n_steps))

    def restart(self, slot: int) -> None:
        """Forget what was kept of one member's steps."""
        self.n_steps[slot] = 0
        for name, tensor in self.state.items():
            tensor[slot] = _start(name, tensor[slot : slot + 1])[0]

    def select(self, slots: list[int]) -> None:
        """Keep only the members in these slots."""
        self.n_steps = self.n_steps[slots]
        self.state = {name: tensor[slots] for name, tensor in self.state.items()}

    def admit(self, newcomers: "CohortOptimizer") -> None:
        """Add the members of another one after those there are."""
        self.n_steps = torch.cat([self.n_steps, newcomers.n_steps])
        self.state = {
            name: torch.cat([tensor, newcomers.state[name]]) for name, tensor in self.state.items()
        }

    def tensors(self) -> State:
        """Return all that is kept from step to step, a member a row."""
        return {"n_steps": self.n_steps, **self.state}
