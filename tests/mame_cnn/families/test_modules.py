"""Members made of any torch module: each as if it were alone."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from mame_cnn.families.modules import CohortOfModules, MemberDropout
from mame_cnn.seeds import generator

IMAGES = torch.randn(5, 3, 8, 8, generator=generator(0))


def template() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(0.5),
        nn.Flatten(),
        nn.Linear(144, 6),
        nn.Dropout(0.5),
        nn.Linear(6, 2),
    )


def cohort(n_members: int = 3) -> CohortOfModules:
    network = CohortOfModules(template(), n_members)
    network.initialise([generator(seed) for seed in range(n_members)])
    return network


def generators(n_members: int = 3) -> list[torch.Generator]:
    return [generator(seed, "dropout") for seed in range(n_members)]


def alone(network: CohortOfModules, slot: int) -> nn.Sequential:
    plain = template()
    state = {
        name.removeprefix("module."): tensor for name, tensor in network.member_state(slot).items()
    }
    plain.load_state_dict(state, strict=False)
    return plain


def test_logits_and_statistics_are_those_of_modules_alone() -> None:
    network = cohort()
    plains = [alone(network, slot).train() for slot in range(3)]
    for plain in plains:
        for layer in plain.modules():
            if isinstance(layer, nn.Dropout | nn.Dropout2d):
                layer.p = 0.0
    for layer in network.modules():
        if isinstance(layer, MemberDropout):
            layer.drop_rates = (0.0,) * 3

    logits = network.train()(IMAGES)

    for slot, plain in enumerate(plains):
        torch.testing.assert_close(logits[slot], plain(IMAGES))
        torch.testing.assert_close(
            network.member_state(slot)["module.1.running_mean"], plain[1].running_mean
        )


def test_images_of_their_own_reach_each_member() -> None:
    network = cohort(2).eval()
    images = torch.stack([IMAGES, IMAGES.flip(0)])
    logits = network(images)
    torch.testing.assert_close(logits[1], alone(network, 1).eval()(IMAGES.flip(0)))


def test_members_draw_their_own_weights_which_their_seed_decides() -> None:
    first, second = cohort(), cohort()
    kernel = first.get_parameter("module.0.weight")
    torch.testing.assert_close(kernel, second.get_parameter("module.0.weight"), atol=0, rtol=0)
    assert not torch.equal(kernel[0], kernel[1])
    by_itself = CohortOfModules(template(), 1)
    by_itself.initialise([generator(2)])
    torch.testing.assert_close(
        by_itself.get_parameter("module.0.weight")[0], kernel[2], atol=0, rtol=0
    )


def test_the_first_weights_leave_the_global_generator_as_it_was() -> None:
    network = CohortOfModules(template(), 1)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    network.initialise([generator(1)])
    assert torch.equal(torch.rand(2), expected)


def test_dropout_is_drawn_from_the_members_own_generators() -> None:
    together = cohort().train()
    together.set_dropout_generators(generators())
    third = copy.deepcopy(together)
    third.select([2])
    third.set_dropout_generators(generators()[2:])

    in_company, by_itself = together(IMAGES)[2], third(IMAGES)[0]

    torch.testing.assert_close(in_company, by_itself)
    assert not torch.allclose(in_company, together(IMAGES)[2])


def test_whole_channels_are_dropped_where_the_template_drops_channels() -> None:
    network = cohort(1).train()
    network.set_dropout_generators(generators(1))
    seen: list[Tensor] = []
    network.get_submodule("module.3").register_forward_hook(
        lambda _, taken, maps: seen.append(maps)
    )
    network(IMAGES)
    is_gone = (seen[0] == 0).all((2, 3))
    assert is_gone.any()
    kept = seen[0][~is_gone]
    assert (kept.amax((1, 2)) > 0).all()


def test_gradients_are_those_of_modules_alone() -> None:
    network = cohort().eval()
    network(IMAGES).square().sum().backward()
    for slot in range(3):
        plain = alone(network, slot).eval()
        plain(IMAGES).square().sum().backward()
        own = network.get_parameter("module.0.weight").grad
        assert own is not None
        torch.testing.assert_close(own[slot], plain[0].weight.grad, rtol=1e-4, atol=1e-4)


def test_what_is_shared_in_the_template_stays_shared() -> None:
    tied = nn.Sequential(nn.Flatten(), nn.Linear(192, 192), nn.Linear(192, 192))
    tied[2].weight = tied[1].weight
    network = CohortOfModules(tied, 2)
    assert network.get_parameter("module.1.weight") is network.get_parameter("module.2.weight")
    functional_call(tied, dict(tied.named_parameters()), (IMAGES,))
    assert network(IMAGES).shape == (2, 5, 192)


def test_what_cannot_be_stacked_is_named() -> None:
    odd = nn.Sequential(nn.Linear(2, 2), nn.AlphaDropout())
    odd.register_buffer("table", torch.arange(3))
    with pytest.raises(ValueError, match=r"table: of type int64(.|\n)*1: AlphaDropout"):
        CohortOfModules(odd, 2)


def test_the_template_stays_as_it_is() -> None:
    own = template()
    before = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    network = CohortOfModules(own, 2)
    network.initialise([generator(1), generator(2)])
    network.eval()(IMAGES)
    assert own[0].weight.shape == (4, 3, 3, 3)
    for name, tensor in own.state_dict().items():
        assert torch.equal(tensor, before[name])
