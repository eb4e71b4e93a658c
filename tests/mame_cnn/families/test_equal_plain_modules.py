"""Members of each family against one plain torch module each, in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.layered import DenseNet
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.families.plain_modules import mobilenet, resnet, vgg
from tests.mame_cnn.families.small import IMAGE_SIZE, SMALL, small

DATA = make_data(image_size=IMAGE_SIZE)
LR = 0.01


def densenet(network: DenseNet, channels: int, n_classes: int) -> nn.Module:
    """Return torchvision's own network with our dense layers in place of its classifier."""
    from torchvision.models import DenseNet as Whole

    units = tuple(block.units for block in network.blocks)
    plain: nn.Module = Whole(network.growth, units, network.stem_width, num_classes=n_classes)
    [dense] = network.dense
    classifier = plain.get_submodule("classifier")
    assert isinstance(classifier, nn.Linear)
    plain.classifier = nn.Sequential(
        nn.Linear(classifier.in_features, dense.width),
        nn.ReLU(),
        nn.Linear(dense.width, n_classes),
    )
    return plain


ORACLES: dict[str, Callable[[Any], nn.Module]] = {
    "vgg": lambda network: vgg(network, 3, IMAGE_SIZE, DATA.n_classes),
    "resnet": lambda network: resnet(network, 3, DATA.n_classes),
    "mobilenet": lambda network: mobilenet(network, 3, DATA.n_classes),
    "densenet": lambda network: densenet(network, 3, DATA.n_classes),
}
every_family = pytest.mark.parametrize("family", SMALL)


def configs(family: str) -> list[Config]:
    return [
        make_config(
            seed=seed,
            image_size=IMAGE_SIZE,
            optimizer="sgd",
            momentum=0.0,
            lr=LR,
            l1_1=1e-3 * seed,
            l2_2=1e-2 * seed,
            dense_l2=1e-3,
            **small(family),
        )
        for seed in (1, 2)
    ]


def twin(cohort: Cohort, slot: int) -> nn.Module:
    """Return the plain twin with a member's weights, which come in the same order."""
    plain = ORACLES[cohort.configs[slot].network.family](cohort.configs[slot].network).double()
    mine = cohort.network.member_state(slot)
    theirs = {name: tensor for name, tensor in plain.state_dict().items() if "batches" not in name}
    assert len(mine) == len(theirs)
    for tensor, own in zip(theirs.values(), _in_plain_order(mine, theirs), strict=True):
        tensor.copy_(own)
    return plain


def _in_plain_order(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[Tensor]:
    """Return tensors as torch.nn orders them: weights before statistics in every layer."""
    own = list(mine.values())
    assert [tensor.shape for tensor in own] == [tensor.shape for tensor in theirs.values()]
    return own


@every_family
def test_logits_equal_those_of_plain_modules(family: str) -> None:
    cohort = Cohort(configs(family), [1, 2], DATA)
    cohort.train_epoch()  # so that statistics are not those of a newborn
    for slot in (0, 1):
        plain = twin(cohort, slot).eval()
        expected = plain(DATA.normalise(DATA.val.images))
        torch.testing.assert_close(cohort.logits(DATA.val)[slot], expected, atol=1e-10, rtol=0)


@every_family
def test_three_updates_equal_those_of_plain_modules(family: str) -> None:
    cohort = Cohort(configs(family), [1, 2], DATA)
    plains = [twin(cohort, slot).train() for slot in (0, 1)]
    batches = [batch for _, batch in cohort.prepare_epoch().steps][:3]
    lr = torch.full((2, 1), LR, dtype=torch.float64)

    cohort.network.train()
    for images, labels in batches:
        cohort._train_step(images, labels, lr)

    for slot, (plain, config) in enumerate(zip(plains, cohort.configs, strict=True)):
        rule = torch.optim.SGD(plain.parameters(), lr=LR)
        for images, labels in batches:
            rule.zero_grad()
            loss = F.cross_entropy(plain(images), labels) + penalty(plain, config)
            loss.backward()
            rule.step()
        trained = cohort.network.member_state(slot)
        expected = {n: t for n, t in plain.state_dict().items() if "batches" not in n}
        for own, other in zip(trained.values(), expected.values(), strict=True):
            torch.testing.assert_close(own, other, atol=1e-10, rtol=0)


def penalty(plain: nn.Module, config: Config) -> Tensor:
    """Return the penalties: of the first block and the stem L1, of the second and after L2."""
    kernels = [one.weight for one in plain.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    network: Any = config.network
    n_dense = len(network.dense)
    hidden = kernels[: len(kernels) - n_dense - 1]
    n_first = {"vgg": 1, "resnet": 1 + 4 + 3, "mobilenet": 1 + 6, "densenet": 1 + 4 + 1}
    first, second = hidden[: n_first[network.family]], hidden[n_first[network.family] :]
    l1, l2 = network.blocks[0].l1, network.blocks[1].l2
    assert l1
    assert l2
    total = l1 * sum(kernel.abs().sum() for kernel in first)
    total += l2 * sum(kernel.pow(2).sum() for kernel in second)
    for kernel in kernels[len(hidden) : -1]:
        total += 1e-3 * kernel.pow(2).sum()
    return torch.as_tensor(total)
