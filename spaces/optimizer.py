"""Which optimiser, at which learning rate, momentum, weight decay? A table of 30 trials.

Source: the 30-trial table of the eight-scenes experiments. It tuned a pretrained network at
learning rates of 1e-5 and 1e-4; from scratch that is too little, and each optimiser has its own
scale, so the range here is wider: up to 1, where Adadelta starts by default.
Cost: 30 epochs a trial of one small network.
Run: python -m search.run spaces/optimizer.py --trials 30
     python -m search.run spaces/optimizer.py --trials 60 --data data/mame --image-size 128
"""

from search.space import Choice, Float, Question, Space, When

SPACE = Space(
    title="Optimiser",
    question=Question(
        previous="On eight scenes 30 such trials ended between 0.21 and 0.95: Adadelta with a "
        "batch of 10 never left its first epoch. MAMe experiments 1 to 12 used Adam alone.",
        hypothesis="At a learning rate of its own each of the adaptive optimisers does as well "
        "as Adam; the failures of that table were learning rates, not optimisers.",
        setup="The network of MAMe experiment 6, fixed. Weight decay is decoupled: each step "
        "takes lr * weight_decay * w from a weight w. Momentum exists for SGD alone.",
        builds_on=("capacity",),
    ),
    parameters=(
        Choice(
            "optimizer",
            ("sgd", "adam", "nadam", "adamax", "adagrad", "adadelta"),
            source="the six of the eight-scenes table",
        ),
        Float(
            "lr",
            1e-5,
            1.0,
            log=True,
            source="from 1e-5, the lower of the two on eight scenes, to Adadelta's default of 1 "
            "(Zeiler 2012); SGD's usual 0.01 to 0.1 and Adam's 1e-3 lie between",
        ),
        Float(
            "momentum",
            0.5,
            0.99,
            when=When("optimizer", among=("sgd",)),
            source="0.5 to 1 on eight scenes; 1 itself would never forget a gradient",
        ),
        Float("weight_decay", 1e-5, 0.3, log=True, source="1e-5 to 0.3 on eight scenes"),
        Float(
            "dense_drop_rate",
            0.0,
            0.6,
            step=0.1,
            source="a grid on eight scenes, best at 0.5; 0.6 in MAMe experiments 9 and 10",
        ),
        Choice("batch_size", (10, 64, 128), source="10, 64 and 128 on eight scenes"),
        Choice(
            "batch_norm",
            ("none", "after_pool"),
            source="off or on on eight scenes; after the pooling as in MAMe experiments 6 to 10",
        ),
    ),
    fixed={
        # MAMe experiment 6: (16,2)(32,2)(64,2)(128,2), dense 64.
        "depth": 4,
        "width": 16,
        "width_growth": 2.0,
        "convolutions": 1,
        "pool_size": 2,
        "pool": "max",
        "activation": "relu",
        "head": "flatten",
        "dense_depth": 1,
        "dense_width": 64,
    },
    baselines=(
        # The defaults of Kingma and Ba 2015.
        {
            "optimizer": "adam",
            "lr": 1e-3,
            "weight_decay": 1e-5,
            "dense_drop_rate": 0.0,
            "batch_size": 64,
            "batch_norm": "after_pool",
        },
        # VGG's optimiser (Simonyan and Zisserman 2015); its L2 of 5e-4 as weight decay.
        {
            "optimizer": "sgd",
            "lr": 0.01,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "dense_drop_rate": 0.5,
            "batch_size": 128,
            "batch_norm": "after_pool",
        },
    ),
    epochs=30,
)
