import pytest

from commands.errors import UserError
from mame_cnn.configuration.layered import MobileNet, Plain, ResNet, Vgg
from mame_cnn.configuration.parameters import DEFAULTS, config_from_params, space_faults
from mame_cnn.configuration.vocabulary import SPECIAL_NAMES, Value, faults, is_of
from mame_cnn.families.network import infeasible, n_parameters
from tests.mame_cnn.factory import make_config, plain_of


def test_a_numbered_name_wins_over_the_plain_one() -> None:
    config = make_config(depth=3, pool_size=2, pool_size_2=4, l2=0.1, l2_3=0.2)
    assert [block.pool_size for block in plain_of(config).blocks] == [2, 4, 2]
    assert [block.l2 for block in plain_of(config).blocks] == [0.1, 0.1, 0.2]


def test_width_grows_by_block_up_to_the_limit() -> None:
    config = make_config(depth=5, width=16, width_growth=2.0, width_limit=100, width_2=7)
    assert [block.width for block in plain_of(config).blocks] == [16, 7, 64, 100, 100]


def test_parameters_of_blocks_that_do_not_exist_are_ignored() -> None:
    assert make_config(depth=2, width_5=3) == make_config(depth=2)


def test_momentum_reaches_sgd_only() -> None:
    assert make_config(optimizer="sgd").training.optimizer.momentum == 0.9
    assert make_config(optimizer="sgd", momentum=0.5).training.optimizer.momentum == 0.5
    assert make_config(optimizer="adam", momentum=0.5).training.optimizer.momentum == 0


def test_all_unknown_names_and_impossible_values_are_reported_at_once() -> None:
    messages = space_faults(
        {
            "lr": [-1.0, 0.1],
            "witdh_2": [4],
            "drop_rate_7": [0.1],
            "optimizer": ["adam", "adamm"],
            "kernel_size": [3, 4, 5],
            "depth": [1.0],
            "convolutions": ["two"],
        }
    )
    assert [message.partition(":")[0] for message in messages] == [
        *("lr", "witdh_2", "drop_rate_7", "optimizer", "kernel_size", "depth", "convolutions")
    ]
    assert messages[0].endswith("should be greater than 0, got -1.0")
    assert messages[1].endswith("did you mean width_2?")
    assert "'sgd', 'adam'" in messages[3]
    assert messages[4] == "kernel_size: must be odd, got 4"


def test_what_the_field_calls_otherwise_is_answered_with_the_name_here() -> None:
    for name, known in (("learning_rate", "lr"), ("dropout", "drop_rate"), ("filters", "width")):
        [message] = space_faults({name: [1]})
        assert message.endswith(f"; here it is {known}")
        assert space_faults({known: [0.1 if known != "width" else 8]}) == []


def test_parameters_that_can_have_no_effect_are_reported() -> None:
    messages = space_faults(
        {
            "depth": [1, 3],
            "l2_3": [0.1],
            "l2_4": [0.1],
            "dense_drop_rate_2": [0.5],
            "momentum": [0.9],
            "schedule": ["constant", "plateau"],
            "plateau_factor": [0.5],
            "decay_rate": [0.05],
        }
    )
    assert [message.partition(":")[0] for message in messages] == [
        *("l2_4", "dense_drop_rate_2", "momentum", "decay_rate")
    ]


@pytest.mark.parametrize(
    "params", [{"lr": -1.0}, {"depth": "three"}, {"depth": 2.5}, {"width_6": "wide"}, {"lr": "x"}]
)
def test_a_value_of_the_wrong_type_or_range_is_named(params: dict[str, Value]) -> None:
    [name] = params
    with pytest.raises(UserError, match=f"^{name}: "):
        config_from_params(params, source="digits", image_size=32, epochs=1, seed=0, data_seed=0)


def test_pooling_below_one_pixel_is_infeasible_and_down_to_one_is_not() -> None:
    assert infeasible(make_config(depth=3, pool_size=2).network, 8) is None
    reason = infeasible(make_config(depth=4, pool_size=2).network, 8)
    assert reason is not None
    assert "block 4: pooling by 2" in reason


def test_parameter_counts_equal_hand_arithmetic() -> None:
    # MAMe experiment 6: (16,2)(32,2)(64,2)(128,2) on 256 x 256 x 3, dense 64, 29 classes.
    config = make_config(depth=4, width=16, dense_width=64, batch_norm="after_pool")
    convolutions = (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128) * 9 + (16 + 32 + 64 + 128)
    norms = 2 * (16 + 32 + 64 + 128)
    dense = 128 * 16 * 16 * 64 + 64 + 64 * 29 + 29
    counted = n_parameters(config.network, channels=3, image_size=256, n_classes=29)
    assert counted == convolutions + norms + dense


def test_defaults_are_possible() -> None:
    plain = {
        name: [value]
        for name, value in DEFAULTS.items()
        if name not in SPECIAL_NAMES and is_of("plain", name)
    }
    assert space_faults(plain) == []
    assert faults({name: [DEFAULTS[name]] for name in SPECIAL_NAMES}) == []


def test_parameters_of_families_that_are_not_searched_are_reported() -> None:
    of_plain = space_faults({"units": [2], "pool_2": ["max"], "l2_3": [0.1]})
    of_two = space_faults(
        {"family": ["vgg", "densenet"], "units_3": [2], "pool_2": ["max"], "l2_4": [0.1]}
    )
    assert of_plain == [
        "units: has an effect only where family is densenet or mobilenet or resnet"
    ]
    assert of_two == ["pool_2: has an effect only where family is plain"]


def test_parameters_of_layers_and_steps_that_there_are_none_of_are_reported() -> None:
    of_dense = space_faults({"family": ["resnet"], "dense_width": [64], "dense_l2": [0.1]})
    of_steps = space_faults(
        {"family": ["pretrained"], "from_scratch": ["false"], "unfreeze_lr": [1e-4]}
    )
    assert of_dense == [
        "dense_width: has an effect only where dense_depth is at least 1",
        "dense_l2: has an effect only where dense_depth is at least 1",
    ]
    assert of_steps == ["unfreeze_lr: has an effect only where unfreeze_steps is at least 1"]
    assert space_faults({"family": ["resnet"], "dense_depth": [0, 1], "dense_width": [64]}) == []


@pytest.mark.parametrize("family", ["plain", "vgg", "resnet", "mobilenet"])
def test_how_widths_grow_counts_without_a_width(family: str) -> None:
    def widths(growth: float) -> list[int]:
        network = config_from_params(
            {"family": family, "width_growth": growth, "width_limit": 4096},
            source="digits",
            image_size=224,
            epochs=1,
            seed=0,
            data_seed=0,
        ).network
        assert isinstance(network, Plain | Vgg | ResNet | MobileNet)
        return [block.width for block in network.blocks]

    first, *_ = widths(1.0)
    assert set(widths(1.0)) == {first}
    assert widths(2.0) == [first * 2**place for place in range(len(widths(2.0)))]


def test_a_plain_name_that_is_given_counts_for_every_block_of_a_family() -> None:
    by_itself = make_config(family="mobilenet", depth=5, width=8, units=3).network
    assert isinstance(by_itself, MobileNet)
    assert [block.units for block in by_itself.blocks] == [3] * 5
    assert [block.width for block in by_itself.blocks] == [8, 16, 32, 64, 128]
    assert [block.stride for block in by_itself.blocks] == [1, 2, 2, 2, 1]
