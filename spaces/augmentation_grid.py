"""Which of six distortions, each off or on, belong together? A full grid of 64 points.

Source: the grid of the eight-scenes experiments. Its shift moves height and width together, as
here: the vertical shift exists only beside the horizontal one, and is then as large.
Cost: 64 trials of 30 epochs; `--pruner none` makes the comparison complete.
Run: python -m search.run spaces/augmentation_grid.py --trials 64 --sampler grid --data data/mame
"""

from search.space import Choice, Question, Space, Value, When
from spaces.augmentation import NETWORK

NONE: dict[str, Value] = {
    "rotation_degrees": 0.0,
    "shift_x_fraction": 0.0,
    "zoom_fraction": 0.0,
    "shear_fraction": 0.0,
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
}

SPACE = Space(
    title="Augmentation, off or on",
    question=Question(
        previous="On eight scenes, with 50 training images a class, horizontal flip and 20 % "
        "zoom were the best of this grid (0.895 against 0.845 without); vertical flip hurt.",
        hypothesis="The same pair is among the best for museum objects trained from scratch, "
        "and vertical flip, which no gravity forbids here, does not hurt.",
        setup="The network of MAMe experiment 12, every block normalised. Each distortion is "
        "off or at one strength; a flip that is on has probability 0.5; height and width shift "
        "are on together or not at all.",
        builds_on=("regularization",),
    ),
    parameters=(
        Choice("rotation_degrees", (0.0, 20.0), source="0 or 20 on eight scenes"),
        Choice("shift_x_fraction", (0.0, 0.2), source="0 or 20 % of the width on eight scenes"),
        Choice(
            "shift_y_fraction",
            (0.2,),
            when=When("shift_x_fraction", among=(0.2,)),
            source="20 % of the height on eight scenes, together with the width",
        ),
        Choice("zoom_fraction", (0.0, 0.2), source="0 or 20 % on eight scenes"),
        Choice("shear_fraction", (0.0, 0.2), source="0 or 20 % on eight scenes"),
        Choice("flip_horizontal", (0.0, 0.5), source="off or on on eight scenes"),
        Choice("flip_vertical", (0.0, 0.5), source="off or on on eight scenes"),
    ),
    fixed=NETWORK,
    baselines=(NONE, {**NONE, "flip_horizontal": 0.5, "zoom_fraction": 0.2}),
    epochs=30,
)
