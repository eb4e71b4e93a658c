"""Which regularisation narrows the gap to validation, and how much of it? MAMe's third phase.

Source: MAMe experiments 7 to 10; their penalties and drop rates lie inside the ranges.
Cost: made for a first look on two CPU cores: small networks, 8 epochs, early pruning.
Run: python -m search.run spaces/regularization.py --trials 50
     python -m search.run spaces/regularization.py --trials 100 --epochs 40 --data data/mame
"""

from search.space import Choice, Float, Int, Question, Space, When, per_block

GROW = 2.0  # penalties grow with the filters; two blocks up they reach those of experiment 10

SPACE = Space(
    title="Regularisation",
    question=Question(
        previous="MAMe experiment 6 fits the training images (0.99) at 0.63 validation accuracy. "
        "Penalties alone (7, 8) closed much of the gap without a gain (0.64, 0.60); with "
        "dropout everywhere and strong L1 (9) nothing was learnt (0.21); dropout in the dense "
        "layer alone with milder penalties (10) kept 0.64 at a training accuracy of 0.73.",
        hypothesis="Dropout in the dense layer does most; L2 on every convolution and a mild L1 "
        "on the deep ones add to it; dropout after every block costs more than it brings.",
        setup="Networks of experiments 6 to 10: one 3 x 3 convolution a block, normalised after "
        "pooling, dense 64. Each block has its own L1 and L2 (coefficient times the sum of |w| "
        "or w^2, added to the loss), stronger in deeper blocks, and its own dropout. The low "
        "end of each penalty is as good as none.",
        builds_on=("capacity",),
    ),
    parameters=(
        Int("depth", 2, 4, source="2 to 4 blocks in MAMe experiments 3 to 12"),
        Choice(
            "width",
            (8, 16, 32),
            source="16 in MAMe experiments 6 to 9, 32 in 10; 8, as fewer weights regularise too",
        ),
        Choice("pool_size", (2, 4), source="2 in MAMe experiments 6 to 10, 4 in 1 to 5 and 11"),
        Choice(
            "pool",
            ("max", "average"),
            source="max in all MAMe experiments, average in the five-painters VGG",
        ),
        *per_block(
            Float(
                "l1",
                1e-8,
                2.5e-3,
                log=True,
                source="up to the 0.01 of MAMe experiment 10 on its third convolution; at the "
                "lower end a million weights of 0.1 add 0.001 to the loss",
            ),
            up_to=4,
            grow=GROW,
        ),
        *per_block(
            Float(
                "l2",
                1e-7,
                2.5e-3,
                log=True,
                source="0.001 in MAMe experiments 9 and 10, 0.01 in 9, 2.5e-4 in VGG (Simonyan "
                "and Zisserman 2015: 5e-4 times half the sum)",
            ),
            up_to=4,
            grow=GROW,
        ),
        *per_block(
            Float(
                "drop_rate",
                0.0,
                0.5,
                step=0.1,
                source="0.3 after every normalisation in MAMe experiment 9, none in 10; at most "
                "0.5 (Srivastava et al. 2014)",
            ),
            up_to=4,
        ),
        Float(
            "dense_drop_rate",
            0.0,
            0.7,
            step=0.1,
            when=When("dense_depth", at_least=1),
            source="0.6 in MAMe experiments 9 and 10 and in the best public recipe, one more step",
        ),
        Choice(
            "batch_size",
            (32, 64, 128),
            source="128 in MAMe experiments 6 to 10, 64 in 3 and 4, 32 in the best public recipe",
        ),
        Float(
            "lr",
            5e-5,
            5e-3,
            log=True,
            source="5e-5 in MAMe experiments 4 to 10, 1e-3 in 3, in the best public recipe and "
            "as Adam's default (Kingma and Ba 2015); five times that as a margin",
        ),
    ),
    fixed={
        "width_growth": 2.0,
        "width_limit": 128,  # the fourth block of MAMe experiments 6 to 10
        "convolutions": 1,
        "batch_norm": "after_pool",
        "activation": "relu",
        "head": "flatten",
        "dense_depth": 1,
        "dense_width": 64,
        "optimizer": "adam",
    },
    baselines=(
        # Experiment 10's dropout and shape, started at 16 filters as in 6 to 9. Its penalties
        # give way to VGG's mild L2 and next to no L1: 0.01 was bearable at a learning rate of
        # 5e-5 only, and experiment 9 shows what too much does.
        {
            "depth": 4,
            "width": 16,
            "pool_size": 2,
            "pool": "max",
            "l1_1": 1e-8,
            "l1_2": 1e-7,
            "l1_3": 1e-6,
            "l1_4": 1e-5,
            "l2_1": 2.5e-4,
            "l2_2": 2.5e-4,
            "l2_3": 2.5e-4,
            "l2_4": 2.5e-4,
            "drop_rate_1": 0.0,
            "drop_rate_2": 0.0,
            "drop_rate_3": 0.0,
            "drop_rate_4": 0.0,
            "dense_drop_rate": 0.6,
            "batch_size": 32,
            "lr": 1e-3,
        },
    ),
    epochs=8,
)
