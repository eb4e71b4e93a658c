import pytest

from mame_cnn.errors import UserError
from mame_cnn.network import infeasible, n_parameters
from mame_cnn.parameters import unknown_names
from tests.mame_cnn.factory import make_config


def test_a_numbered_name_wins_over_the_plain_one() -> None:
    config = make_config(depth=3, pool_size=2, pool_size_2=4, l2=0.1, l2_3=0.2)
    assert [block.pool_size for block in config.network.blocks] == [2, 4, 2]
    assert [block.l2 for block in config.network.blocks] == [0.1, 0.1, 0.2]


def test_width_grows_by_block_up_to_the_limit() -> None:
    config = make_config(depth=5, width=16, width_growth=2.0, width_limit=100, width_2=7)
    assert [block.width for block in config.network.blocks] == [16, 7, 64, 100, 100]


def test_parameters_of_blocks_that_do_not_exist_are_ignored() -> None:
    assert make_config(depth=2, width_5=3) == make_config(depth=2)


def test_momentum_reaches_sgd_only() -> None:
    assert make_config(optimizer="sgd").training.optimizer.momentum == 0.9
    assert make_config(optimizer="sgd", momentum=0.5).training.optimizer.momentum == 0.5
    assert make_config(optimizer="adam", momentum=0.5).training.optimizer.momentum == 0


def test_unknown_names_are_all_reported_with_the_nearest() -> None:
    messages = unknown_names(["lr", "learning_rate", "witdh_2", "drop_rate_7"])
    assert len(messages) == 3
    assert messages[1].endswith("did you mean width_2?")


def test_all_values_out_of_range_are_reported_at_once() -> None:
    with pytest.raises(UserError) as raised:
        make_config(lr=-1.0, pool="median", dense_drop_rate=1.0)
    message = str(raised.value)
    assert "training.optimizer.lr" in message
    assert "network.blocks.0.pool" in message
    assert "network.dense.0.drop_rate" in message
    assert "after validation" not in message


def test_pooling_below_one_pixel_is_infeasible_and_down_to_one_is_not() -> None:
    assert infeasible(make_config(depth=3, pool_size=2).network, 8) is None
    reason = infeasible(make_config(depth=4, pool_size=2).network, 8)
    assert reason is not None
    assert "pool_size_4 = 2" in reason


def test_parameter_counts_equal_hand_arithmetic() -> None:
    # MAMe experiment 6: (16,2)(32,2)(64,2)(128,2) on 256 x 256 x 3, dense 64, 29 classes.
    config = make_config(depth=4, width=16, dense_width=64, batch_norm="after_pool")
    convolutions = (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128) * 9 + (16 + 32 + 64 + 128)
    norms = 2 * (16 + 32 + 64 + 128)
    dense = 128 * 16 * 16 * 64 + 64 + 64 * 29 + 29
    counted = n_parameters(config.network, channels=3, image_size=256, n_classes=29)
    assert counted == convolutions + norms + dense
