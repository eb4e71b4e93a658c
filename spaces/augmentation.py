"""Which distortions of the training images teach, and how strong? MAMe's fourth phase.

Source: MAMe experiments 11 and 12, and the grid of the eight-scenes experiments, which lies
inside (`augmentation_grid` is that grid alone). Every rate is stepped: the space is finite.
Cost: 30 epochs a trial of one small network; the distortions cost little beside it.
Run: python -m search.run spaces/augmentation.py --trials 50 --data data/mame --image-size 128
"""

from search.space import Float, Question, Space, Value

NETWORK: dict[str, Value] = {
    # MAMe experiment 12: (16,2)(32,2)(64,2)(128,2), dense 512 and 64.
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
    # Experiment 12 used 128 and 1e-5, which takes hundreds of epochs; these are common ones.
    "batch_size": 64,
    "lr": 1e-3,
}
NONE: dict[str, Value] = {
    "rotation_degrees": 0.0,
    "shift_x_fraction": 0.0,
    "shift_y_fraction": 0.0,
    "zoom_fraction": 0.0,
    "shear_fraction": 0.0,
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
}

SPACE = Space(
    title="Augmentation",
    question=Question(
        previous="MAMe experiments 11 and 12 trained with rotation, shifts and horizontal flips: "
        "validation followed training (0.52 to 0.54, 0.63 to 0.59) where 6 had overfitted. On "
        "eight scenes horizontal flip and zoom were the best pair; vertical flip hurt.",
        hypothesis="Distortions that leave the material visible (flips, zoom) help most; a "
        "museum object has no preferred side, so that vertical flips may do no harm here.",
        setup="One network, that of MAMe experiment 12 with every block normalised, and nothing "
        "else to regularise it. Rates are the largest distortion drawn; flips are probabilities.",
        builds_on=("regularization",),
    ),
    parameters=(
        Float(
            "rotation_degrees",
            0.0,
            30.0,
            step=10.0,
            source="up to 30 either way in MAMe experiments 11 and 12, 20 on eight scenes",
        ),
        Float(
            "shift_x_fraction",
            0.0,
            0.3,
            step=0.1,
            source="0.2 of the width on eight scenes and in the transfer experiments on MAMe",
        ),
        Float(
            "shift_y_fraction",
            0.0,
            0.3,
            step=0.1,
            source="0.2 of the height on eight scenes and in the transfer experiments on MAMe",
        ),
        Float(
            "zoom_fraction",
            0.0,
            0.3,
            step=0.1,
            source="0.2 on eight scenes (among the best) and in the transfer experiments on MAMe",
        ),
        Float("shear_fraction", 0.0, 0.2, step=0.1, source="0.2 on eight scenes"),
        Float(
            "flip_horizontal",
            0.0,
            0.5,
            step=0.25,
            source="on in MAMe experiments 11 and 12, off or on on eight scenes; on is 0.5",
        ),
        Float(
            "flip_vertical",
            0.0,
            0.5,
            step=0.25,
            source="off or on on eight scenes, where it hurt; on is 0.5",
        ),
    ),
    fixed=NETWORK,
    baselines=(
        NONE,
        # The best pair on eight scenes.
        {**NONE, "flip_horizontal": 0.5, "zoom_fraction": 0.2},
        # MAMe experiments 11 and 12, whose "random shifts" have no stated size: 0.1 here.
        {
            **NONE,
            "rotation_degrees": 30.0,
            "shift_x_fraction": 0.1,
            "shift_y_fraction": 0.1,
            "flip_horizontal": 0.5,
        },
    ),
    epochs=30,
)
