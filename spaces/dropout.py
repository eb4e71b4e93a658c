"""How much dropout between the two dense layers? A grid of four points.

Source: the example of a notebook entry in the rules for MAMe experiments, where 0.3 was best.
Cost: four trials of 30 epochs; `--pruner none` trains all four to the end.
Run: python -m search.run spaces/dropout.py --trials 4 --sampler grid --pruner none
"""

from search.space import Float, Question, Space

SPACE = Space(
    title="Dropout between the dense layers",
    question=Question(
        previous="Experiment 16 of the notebook's example overfits.",
        hypothesis="Dropout between the two dense layers lessens the overfitting; too much of "
        "it slows training down before it helps further.",
        setup="Drop rates of 0.2 to 0.5 in steps of 0.1 after the first dense layer, all else "
        "fixed: convolutions as in MAMe experiment 6, dense 512 and 64 as in experiment 12.",
        builds_on=("capacity",),
    ),
    parameters=(
        Float(
            "dense_drop_rate_1",
            0.2,
            0.5,
            step=0.1,
            source="0.2 to 0.5 in steps of 0.1 in the notebook's example",
        ),
    ),
    fixed={
        "depth": 4,
        "width": 16,
        "width_growth": 2.0,
        "convolutions": 1,
        "pool_size": 2,
        "pool": "max",
        "batch_norm": "after_pool",
        "activation": "relu",
        "head": "flatten",
        "dense_depth": 2,
        "dense_width_1": 512,
        "dense_width_2": 64,
        "optimizer": "adam",
        "batch_size": 128,
        # Experiment 6 used 5e-5; 1e-3 as in experiment 3 needs fewer epochs.
        "lr": 1e-3,
    },
    baselines=({"dense_drop_rate_1": 0.3},),
    epochs=30,
)
