"""T members trained as one against T plain PyTorch modules trained alone, in float64."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Block, Config, Dense
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.layers.dropout import CohortDropout
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config, make_data, plain_of
from tests.mame_cnn.plain import plain_network

Shape = dict[str, Any]

TOLERANCE = 1e-10
N_STEPS = 5

SHAPES: list[Shape] = [
    {"batch_norm": "after_pool", "activation": "relu", "head": "flatten"},
    {"batch_norm": "before", "activation": "prelu", "head": "average", "pool": "average"},
    {"batch_norm": "after", "activation": "gelu", "head": "max", "convolutions": 2},
    {"batch_norm": "none", "activation": "elu", "dense_depth": 0, "kernel_size": 5},
    {"activation": "silu", "dense_depth": 2, "dense_width_2": 5, "kernel_size_2": 1},
    {"activation": "leaky_relu", "pool_size_1": 1, "class_weights": "balanced", "depth": 3},
]


def members(shape: Shape, optimizer: str, n: int = 3) -> list[Config]:
    """Return members of one fusion key with every coefficient different."""
    return [
        make_config(
            seed=10 + t,
            optimizer=optimizer,
            # Small, because Adam divides by gradients and so magnifies rounding near 0.
            lr=(0.1 if optimizer == "adadelta" else 2e-4) * (1 + t),
            weight_decay=0.01 * t,
            label_smoothing=0.1 * t,
            drop_rate=0.1 * t,
            dense_drop_rate=0.5 - 0.2 * t,
            head_drop_rate=0.2 * t,
            l1=1e-3 * (1 + t),
            l2_1=1e-2 * t,
            dense_l1=1e-3 * t,
            dense_l2=1e-2 * (1 + t),
            **(shape | ({"momentum": 0.8 + 0.05 * t} if optimizer == "sgd" else {})),
        )
        for t in range(n)
    ]


class RecordedDropout(nn.Module):
    """Dropout by hand from the member's generator: what is drawn is part of the contract."""

    def __init__(self, drop_rate: float, stream: torch.Generator):
        super().__init__()
        self.drop_rate, self.stream = drop_rate, stream

    def forward(self, outputs: Tensor) -> Tensor:
        if not self.training or not self.drop_rate:
            return outputs
        keep = torch.rand(outputs.shape, generator=self.stream) >= self.drop_rate
        return outputs * keep / (1 - self.drop_rate)


def plain_member(cohort: Cohort, slot: int) -> nn.Sequential:
    """Return the plain twin of a member, with the member's own first weights and dropout."""
    config, data = cohort.configs[slot], cohort.data
    plain = plain_network(
        plain_of(config),
        channels=data.channels,
        image_size=data.image_size,
        n_classes=data.n_classes,
    ).double()
    state = cohort.network.member_state(slot)
    missing, unexpected = plain.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    stream = generator(config.seed, "dropout", 0)
    for sequence in list(plain.modules()):
        for name, layer in list(sequence.named_children()):
            if isinstance(layer, nn.Dropout):
                setattr(sequence, name, RecordedDropout(layer.p, stream))
    return plain


def plain_loss(plain: nn.Sequential, logits: Tensor, labels: Tensor, config: Config) -> Tensor:
    """Return the loss as a person would write it: cross-entropy plus kernel penalties."""
    balanced = config.training.class_weights == "balanced"
    loss = F.cross_entropy(
        logits,
        labels,
        weight=DATA.class_weights if balanced else None,
        label_smoothing=config.training.label_smoothing,
    )
    network = plain_of(config)
    layers: list[Block | Dense] = [
        block for block in network.blocks for _ in range(block.convolutions)
    ]
    for layer, module in zip(
        [*layers, *network.dense],
        [m for m in plain.modules() if isinstance(m, nn.Conv2d | nn.Linear)][:-1],
        strict=True,
    ):
        loss = loss + layer.l1 * module.weight.abs().sum() + layer.l2 * module.weight.pow(2).sum()
    return loss


def torch_optimizer(plain: nn.Sequential, config: Config) -> torch.optim.Optimizer:
    """Return torch's own rule; weight decay is left to `decay_kernels`."""
    optimizer = config.training.optimizer
    rules: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "nadam": torch.optim.NAdam,
        "adamax": torch.optim.Adamax,
        "adagrad": torch.optim.Adagrad,
        "adadelta": torch.optim.Adadelta,
        "rmsprop": torch.optim.RMSprop,
    }
    own = {"momentum": optimizer.momentum} if optimizer.name == "sgd" else {}
    if optimizer.name == "adamw":
        own = {"weight_decay": 0.0}
    return rules[optimizer.name](plain.parameters(), lr=optimizer.lr, **own)


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Make torch's rules keep their own numbers (NAdam's product) in float64 too."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def decay_kernels(plain: nn.Sequential, config: Config) -> None:
    optimizer = config.training.optimizer
    with torch.no_grad():
        for module in plain.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.mul_(1 - optimizer.lr * optimizer.weight_decay)


DATA: DeviceData = make_data(image_size=8)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape["activation"]))
def test_logits_equal_those_of_plain_modules(shape: Shape) -> None:
    cohort = Cohort(members(shape, "adam"), [0, 1, 2], DATA)
    for slot in range(3):
        plain = plain_member(cohort, slot).eval()
        expected = plain(DATA.normalise(DATA.val.images))
        torch.testing.assert_close(cohort.logits(DATA.val)[slot], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("shape", "optimizer"),
    [
        *((shape, "adam") for shape in SHAPES),
        *((SHAPES[0], rule) for rule in ("sgd", "adamw", "nadam", "adamax")),
        *((SHAPES[0], rule) for rule in ("adagrad", "adadelta", "rmsprop")),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value["activation"]),
)
def test_five_updates_equal_those_of_plain_modules(shape: Shape, optimizer: str) -> None:
    cohort = Cohort(members(shape, optimizer), [0, 1, 2], DATA)
    plains = [plain_member(cohort, slot) for slot in range(3)]
    epoch = cohort.prepare_epoch()
    batches = [batch for _, batch in itertools.islice(epoch.steps, N_STEPS)]
    assert len(batches) == N_STEPS

    cohort.network.train()
    lr = torch.tensor([[c.training.optimizer.lr] for c in cohort.configs], dtype=torch.float64)
    streams = [generator(config.seed, "dropout", 0) for config in cohort.configs]
    cohort.network.set_dropout_generators(streams)
    for images, labels in batches:
        cohort._train_step(images, labels, lr)
        gradients = cohort._flat.gradients.clone()
    for slot, (plain, config) in enumerate(zip(plains, cohort.configs, strict=True)):
        rule = torch_optimizer(plain.train(), config)
        for images, labels in batches:
            rule.zero_grad()
            plain_loss(plain, plain(images), labels, config).backward()
            decay_kernels(plain, config)
            with float64_by_default():
                rule.step()
        trained = cohort.network.member_state(slot)
        for name, expected in plain.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                torch.testing.assert_close(trained[name], expected, atol=TOLERANCE, rtol=0)
        for name, parameter in cohort.network.named_parameters():
            columns = cohort._flat.columns(parameter)
            expected_gradient = plain.get_parameter(name).grad
            assert expected_gradient is not None
            torch.testing.assert_close(
                gradients[slot, columns],
                expected_gradient.flatten(),
                atol=TOLERANCE,
                rtol=0,
            )


def test_a_member_trains_the_same_alone_and_in_company() -> None:
    shape: Shape = {"activation": "relu"}
    together = Cohort(members(shape, "adam"), [0, 1, 2], DATA)
    alone = Cohort(members(shape, "adam")[1:2], [1], DATA)
    for _ in range(2):
        in_company = together.train_epoch()[1]
        by_itself = alone.train_epoch()[0]
    assert by_itself.val_accuracy == in_company.val_accuracy
    assert by_itself.train_loss == pytest.approx(in_company.train_loss, abs=1e-9)


def test_dropping_a_member_leaves_the_others_unchanged() -> None:
    configs = members({"activation": "prelu", "batch_norm": "before"}, "nadam")
    full, thinned = Cohort(configs, [7, 8, 9], DATA), Cohort(configs, [7, 8, 9], DATA)
    full.train_epoch()
    thinned.train_epoch()
    thinned.drop({8})
    kept = full.train_epoch()
    left = thinned.train_epoch()
    assert [result.key for result in left] == [7, 9]
    for slot, same in ((0, 0), (1, 2)):
        assert left[slot].train_loss == pytest.approx(kept[same].train_loss, abs=1e-9)
        torch.testing.assert_close(
            thinned.network.member_state(slot),
            full.network.member_state(same),
            atol=1e-9,
            rtol=0,
        )


def test_members_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="fusion key"):
        Cohort([make_config(width=4), make_config(width=8)], [0, 1], DATA)


def test_dropout_refuses_to_run_without_generators() -> None:
    with pytest.raises(RuntimeError, match="generators"):
        CohortDropout([0.5]).train()(torch.ones(2, 4, 1, 1))


def test_dropout_drops_the_stated_share_and_keeps_the_mean() -> None:
    dropout = CohortDropout([0.3, 0.0]).train()
    dropout.generators = [generator(seed) for seed in (1, 2)]
    dropped, whole = dropout(torch.ones(50, 2 * 20, 10, 10)).unflatten(1, (2, 20)).unbind(1)
    # 100,000 draws: four standard errors of the share are 0.006.
    assert (dropped == 0).double().mean().item() == pytest.approx(0.3, abs=0.006)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert torch.equal(whole, torch.ones_like(whole))
