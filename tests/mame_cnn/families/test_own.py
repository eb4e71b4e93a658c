"""Networks of one's own: registered, made, drawn, and told apart from what is not there."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.configuration.fusion import fusion_key, shared_names
from mame_cnn.configuration.network import Own
from mame_cnn.configuration.parameters import config_from_params, space_faults
from mame_cnn.families import own
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.families.modules import MemberDropout
from mame_cnn.families.network import build_network, infeasible
from mame_cnn.families.own import MODULES, OwnCohort, register, registered
from mame_cnn.models.model_file import WEIGHTS, read_model, write_model
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_data
from tests.mame_cnn.small_models import make_model


class Small(nn.Module):
    """Two layers, and a weight that no layer of torch's draws."""

    def __init__(self, channels: int, image_size: int, n_classes: int, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 5)
        self.scale = nn.Parameter(torch.rand(width))
        self.output = nn.Linear(width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(torch.relu(self.conv(images)).mean((2, 3)) * self.scale)
        return logits


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register one network for a test, and none that others have registered."""
    monkeypatch.setattr(own, "_networks", {})
    monkeypatch.delenv(MODULES, raising=False)
    register("small")(Small)


def configured(*, seed: int = 1, image_size: int = 8, **params: Any) -> Config:
    return config_from_params(
        {"family": "own", "own": "small", "batch_size": 8, **params},
        source="synthetic",
        image_size=image_size,
        epochs=3,
        seed=seed,
        data_seed=0,
    )


def built(config: Config) -> nn.Module:
    return build_network([config.network], channels=3, image_size=8, n_classes=3)


def test_a_search_gives_it_its_settings() -> None:
    network = built(configured(own_width=6))
    assert network.get_parameter("module.conv.weight").shape == (1, 6, 3, 5, 5)


def test_members_train_as_they_would_alone() -> None:
    configs = [configured(seed=1, l2=0.01), configured(seed=2, lr=0.01)]
    data = make_data()
    together, alone = Cohort(configs, [0, 1], data), Cohort(configs[1:], [1], data)
    for _ in range(2):
        together.train_epoch()
        alone.train_epoch()
    expected = alone.member_state(1)
    for name, tensor in together.member_state(1).items():
        torch.testing.assert_close(tensor, expected[name])


def test_all_of_its_weights_are_drawn_from_the_member_s_seed() -> None:
    networks = [configured().network] * 3
    cohort = build_network(networks, channels=3, image_size=8, n_classes=3)
    cohort.initialise([generator(seed, "weights") for seed in (1, 2, 1)])
    for name, weight in cohort.named_parameters():
        assert torch.equal(weight[0], weight[2]), name
        assert not torch.equal(weight[0], weight[1]), name


def test_making_it_leaves_torch_s_own_generator_alone() -> None:
    before = torch.get_rng_state()
    built(configured())
    assert torch.equal(torch.get_rng_state(), before)


def test_penalties_are_of_all_kernels_but_that_of_the_outputs() -> None:
    config = configured(l1=0.5)
    cohort = build_network([config.network], channels=3, image_size=8, n_classes=3)
    [(kernel, penalties)] = cohort.penalised(config.network)
    assert kernel is cohort.get_parameter("module.conv.weight")
    assert penalties.l1 == 0.5


def test_members_share_settings_and_differ_in_coefficients() -> None:
    one = configured()
    assert fusion_key(configured(seed=2, lr=0.1, l1=0.1, l2=0.2)) == fusion_key(one)
    assert fusion_key(configured(own_width=5)) != fusion_key(one)
    assert shared_names(["own", "own_width", "l1", "lr"]) == {"own", "own_width"}


def test_its_configuration_can_be_written_and_read(tmp_path: Path) -> None:
    config = configured(own_width=5)
    write_config(tmp_path / "own.toml", config, {})
    read, _ = read_config(tmp_path / "own.toml")
    assert (read, read.digest) == (config, config.digest)


def test_a_configuration_is_read_without_running_anything(tmp_path: Path) -> None:
    write_config(tmp_path / "own.toml", configured(own="nowhere"), {})
    read_config(tmp_path / "own.toml")


def test_a_name_that_nobody_registered_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"registered as smal; did you mean small\?"):
        built(configured(own="smal"))


def test_modules_that_the_environment_names_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from mame_cnn.families.own import register\nregister('elsewhere')(print)\n"
    (tmp_path / "own_networks_of_a_test.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(MODULES, "own_networks_of_a_test")
    registered("elsewhere")
    assert own._networks.keys() == {"small", "elsewhere"}
    del sys.modules["own_networks_of_a_test"]


def test_a_module_of_the_environment_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MODULES, "no_such_networks")
    with pytest.raises(UserError, match=r"\$MAME_NETWORKS: no_such_networks: No module"):
        registered("elsewhere")


def test_a_model_s_file_alone_does_not_bring_its_network(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    write_model(path, make_model(family="own", own="small"))
    assert read_model(path).config.network.family == "own"
    own._networks.clear()
    with pytest.raises(UserError, match=rf"{path}: .*\n.*no network is registered as small"):
        read_model(path)


def test_settings_that_it_does_not_know_are_refused() -> None:
    with pytest.raises(UserError, match=r"network small with depth = 3 fails.*'depth'"):
        built(configured(own_depth=3))


def test_images_that_are_too_small_for_it_are_told_before_a_search() -> None:
    reason = infeasible(configured(image_size=8).network, 4)
    assert reason is not None
    assert "fails on images of 3 x 4 x 4" in reason
    assert infeasible(configured().network, 8) is None


def test_logits_of_another_shape_are_refused() -> None:
    register("flat")(lambda channels, image_size, n_classes: nn.Flatten())
    with pytest.raises(UserError, match=r"expected logits of shape \(2, 3\).*got \(2, 192\)"):
        built(configured(own="flat"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"family": ["own"], "own": ["small"], "own_width": [4]}, []),
        ({"own_width": [4]}, ["own_width: has an effect only where family is own"]),
        (
            {"family": ["own"], "own": ["small"], "width": [4]},
            ["width: has an effect only where family is mobilenet or plain or resnet or vgg"],
        ),
    ],
)
def test_a_space_is_told_which_names_have_an_effect(values: Any, told: list[str]) -> None:
    assert space_faults(values) == told


def test_the_family_without_a_name_is_refused() -> None:
    with pytest.raises(UserError, match="own: missing"):
        config_from_params(
            {"family": "own"}, source="x", image_size=8, epochs=1, seed=1, data_seed=0
        )


class Shuffled(nn.Module):
    """Its layers are not in the order in which they compute, and it drops twice by one layer."""

    def __init__(self, channels: int, image_size: int, n_classes: int, frozen: bool = False):
        super().__init__()
        self.drop = nn.Dropout(0.25)
        self.out = nn.Linear(4, n_classes)
        self.hidden = nn.Linear(channels, 4)
        self.again = self.drop
        self.hidden.requires_grad_(not frozen)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.out(self.again(self.hidden(self.drop(images.mean((2, 3))))))
        return logits


def cohort_of(name: str, **settings: bool) -> CohortNetwork:
    own_settings = {f"own_{key}": value for key, value in settings.items()}
    config = config_from_params(
        {"family": "own", "own": name, **own_settings},
        source="digits",
        image_size=8,
        epochs=1,
        seed=0,
        data_seed=0,
    )
    return build_network([config.network] * 2, channels=3, image_size=8, n_classes=5)


def test_the_outputs_are_the_layer_that_makes_the_logits_wherever_it_was_named() -> None:
    register("shuffled")(Shuffled)
    network = cohort_of("shuffled")
    assert isinstance(network, OwnCohort)
    assert network.output_bias is network.get_parameter("module.out.bias")
    hidden = network.get_parameter("module.hidden.weight")
    member = Own(family="own", name="shuffled", l1=0.0, l2=0.1, settings={})
    assert [kernel for kernel, _ in network.penalised(member)] == [hidden]


def test_a_dropout_layer_that_is_used_twice_knows_members_in_both_places() -> None:
    register("shuffled")(Shuffled)
    network = cohort_of("shuffled")
    dropouts = [module for module in network.modules() if isinstance(module, MemberDropout)]
    assert len(dropouts) == 1
    assert network.get_submodule("module.again") is dropouts[0]


def test_a_weight_that_is_not_to_be_learnt_is_refused() -> None:
    register("shuffled")(Shuffled)
    with pytest.raises(UserError, match=r"hidden\.weight: is not to be learnt"):
        cohort_of("shuffled", frozen=True)


def test_whatever_a_network_raises_is_told_as_its_failure() -> None:
    class Picky(Small):
        def __init__(self, channels: int, image_size: int, n_classes: int) -> None:
            raise KeyError("gelu")

    register("picky")(Picky)
    with pytest.raises(
        UserError, match=r"network picky with no settings fails .*KeyError: 'gelu'"
    ):
        cohort_of("picky")
