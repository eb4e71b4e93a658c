"""How large must the network be before it can overfit? The first phase of MAMe's experiments.

Source: MAMe experiments 1 to 6, which grew one block of one filter into four of 16 to 128.
Cost: 30 epochs a trial; large ones are pruned like any other.
Run: python -m search.run spaces/capacity.py --trials 50
     python -m search.run spaces/capacity.py --trials 100 --data data/mame --image-size 128
"""

from search.space import Choice, Float, Int, Question, Space, When

SPACE = Space(
    title="Capacity",
    question=Question(
        previous="MAMe experiments 1 and 2 underfit with one block (0.31 and 0.45 validation "
        "accuracy); experiment 6 fits the training images with four (0.99) at 0.63.",
        hypothesis="There is a size from which training accuracy saturates; beyond it further "
        "depth or width buys no validation accuracy. Pooling early costs less than it saves.",
        setup="No regularisation and no augmentation, Adam at a constant learning rate. Depth, "
        "width, its growth, convolutions a block, kernels, pooling, normalisation and the head "
        "vary together. The baseline is experiment 6.",
    ),
    parameters=(
        Int("depth", 1, 6, source="1 to 4 blocks in MAMe experiments 1 to 12, and two more"),
        Choice(
            "width",
            (8, 16, 32, 64),
            source="16 and 32 in MAMe experiments 2 to 12, 64 in VGG (Simonyan and Zisserman "
            "2015), 8 to underfit; powers of two, so that trials coincide and train as a cohort",
        ),
        Choice(
            "width_growth",
            (1.0, 1.5, 2.0),
            source="2 from block to block in MAMe experiments 3 to 12 and in VGG; 1 is no growth",
        ),
        Int(
            "convolutions",
            1,
            2,
            source="1 in MAMe experiments 1 to 12, 2 in the best public from-scratch MAMe recipe",
        ),
        Choice(
            "kernel_size", (3, 5), source="3 in MAMe experiments 1 to 12; 5 sees as far as two"
        ),
        Choice(
            "pool_size",
            (2, 4),
            source="4 in MAMe experiments 1 to 5 and 11, 2 in 5 to 10 and 12",
        ),
        Choice(
            "pool",
            ("max", "average"),
            source="max in all MAMe experiments, average in the five-painters VGG",
        ),
        Choice(
            "batch_norm",
            ("none", "before", "after", "after_pool"),
            source="none in MAMe experiments 1 to 3, after the pooling in 6 to 10; before the "
            "activation in Ioffe and Szegedy 2015; after it in the best public recipe",
        ),
        Choice(
            "head",
            ("flatten", "average", "max"),
            source="flatten in all MAMe experiments, average (Lin et al. 2014) in the best "
            "public recipe, max to complete the comparison",
        ),
        Int("dense_depth", 0, 2, source="1 in MAMe experiments 1 to 10, 2 in 11 and 12"),
        Choice(
            "dense_width",
            (64, 128, 256, 512),
            when=When("dense_depth", at_least=1),
            source="64 and 512 in the MAMe experiments, and the powers of two between them",
        ),
        Choice(
            "batch_size",
            (32, 64, 128),
            source="64 and 128 in MAMe experiments 2 to 12, 32 in the best public recipe",
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
    fixed={"width_limit": 256, "activation": "relu", "optimizer": "adam"},
    baselines=(
        # MAMe experiment 6: (16,2)(32,2)(64,2)(128,2), normalised after each pooling.
        {
            "depth": 4,
            "width": 16,
            "width_growth": 2.0,
            "convolutions": 1,
            "kernel_size": 3,
            "pool_size": 2,
            "pool": "max",
            "batch_norm": "after_pool",
            "head": "flatten",
            "dense_depth": 1,
            "dense_width": 64,
            "batch_size": 128,
            "lr": 5e-5,
        },
    ),
    epochs=30,
)
