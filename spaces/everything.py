"""Which network, training and augmentation are best together? The joint space of the others.

Source: the spaces it joins, and the best public from-scratch recipe for MAMe, tried first.
Cost: some forty parameters, 60 epochs a trial: a search for a GPU and some hundred trials.
Run: python -m search.run spaces/everything.py --trials 300 --data data/mame --image-size 128
"""

from dataclasses import replace

from search.space import Float, Question, Space, Value
from spaces import augmentation, capacity, optimizer, regularization

# Three blocks of two 3 x 3 convolutions, each normalised, and pooling; 32, 64, 128 filters; global
# average pooling; dropout 0.6; Adam at 1e-3; batches of 32: 0.756 test accuracy on MAMe.
# Penalties and weight decay stand at their low ends, where they are as good as none.
RECIPE: dict[str, Value] = {
    "depth": 3,
    "width": 32,
    "width_growth": 2.0,
    "convolutions": 2,
    "kernel_size": 3,
    "pool_size": 2,
    "pool": "max",
    "batch_norm": "after",
    "head": "average",
    "head_drop_rate": 0.6,
    "dense_depth": 0,
    "drop_rate_1": 0.0,
    "drop_rate_2": 0.0,
    "drop_rate_3": 0.0,
    "l1_1": 1e-8,
    "l1_2": 1e-7,
    "l1_3": 1e-7,
    "l2_1": 1e-7,
    "l2_2": 1e-6,
    "l2_3": 1e-6,
    "optimizer": "adam",
    "lr": 1e-3,
    "weight_decay": 1e-5,
    "batch_size": 32,
    **augmentation.NONE,
}


def _ranges(space: Space, *names: str) -> Space:
    """Return the named ranges of a space, or all; what it fixes is searched or set here."""
    rows = tuple(row for row in space.parameters if not names or row.name in names)
    return replace(space, parameters=rows, fixed={}, baselines=())


_JOINED = (
    _ranges(optimizer.SPACE)
    | _ranges(regularization.SPACE)
    | _ranges(capacity.SPACE)
    | _ranges(augmentation.SPACE)
    | _ranges(optimizer.SPACE, "lr")
)
_HEAD_DROP_RATE = Float(
    "head_drop_rate",
    0.0,
    0.7,
    step=0.1,
    source="0.6 between the pooling and the output in the best public recipe, one more step",
)

SPACE = replace(
    _JOINED,
    parameters=(*_JOINED.parameters, _HEAD_DROP_RATE),
    title="Everything",
    question=Question(
        previous="The phases one by one: capacity, regularisation, augmentation, optimiser. The "
        "best public recipe from scratch reaches 0.756 test accuracy on MAMe.",
        hypothesis="What is best alone is not best together: more regularisation allows a larger "
        "network, and augmentation takes the place of some dropout. The joint search finds a "
        "network above the recipe.",
        setup="The union of the four spaces; where they overlap capacity's ranges hold, but for "
        "the learning rate, whose range is the optimisers'. Blocks 5 and 6 have no penalty or "
        "dropout of their own. The baseline is the recipe.",
        builds_on=("capacity", "regularization", "augmentation", "optimizer"),
    ),
    fixed={"width_limit": 256, "activation": "relu"},
    baselines=(RECIPE,),
    epochs=60,
)
