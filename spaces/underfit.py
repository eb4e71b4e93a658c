"""Is there anything that the smallest network learns, and what can it not? The first phase.

Source: MAMe experiments 1 and 2, one block of 1 and of 16 filters, pooled by 4.
Cost: six trials of 20 epochs of networks that cost next to nothing.
Run: python -m search.run spaces/underfit.py --trials 6 --pruner none
"""

from search.space import Choice, Question, Space

SPACE = Space(
    title="Underfitting",
    question=Question(
        previous="The images have been looked at; nothing has been trained on them.",
        hypothesis="Averages of a few filters know too little of an image to fit even the images "
        "that they are fitted to. Where each filter answers is more: flattened maps are learnt "
        "by heart before they are understood.",
        setup="One block of 1, 4 or 16 filters of 3 x 3, ReLU, max-pooling by 4, then the mean "
        "of each map or all of its pixels, dense 64. No normalisation, no regularisation, Adam "
        "at a constant learning rate.",
    ),
    parameters=(
        Choice("width", (1, 4, 16), source="1 and 16 in MAMe experiments 1 and 2, 4 between them"),
        Choice(
            "head",
            ("average", "flatten"),
            source="flatten in all MAMe experiments, average (Lin et al. 2014) to underfit",
        ),
    ),
    fixed={
        "depth": 1,
        "convolutions": 1,
        "kernel_size": 3,
        "pool_size": 4,
        "pool": "max",
        "batch_norm": "none",
        "activation": "relu",
        "dense_depth": 1,
        "dense_width": 64,
        "optimizer": "adam",
        "batch_size": 64,
        # Experiment 2 used 5e-4 and 128; these are experiment 3's, and need fewer epochs.
        "lr": 1e-3,
    },
    baselines=({"width": 16, "head": "flatten"},),
    epochs=20,
)
