"""Which family of networks suits the images, each with its own sizes? Plain, VGG, ResNet and more.

Source: the five-painters networks (VGG-like, ResNet29, MobileNetV2-like), the DenseNet cuts of the
eight scenes, and the papers after which the families are called.
Cost: 40 epochs a trial; the larger networks want a GPU, and DenseNet is the slowest by far.
Run: python -m search.run spaces/families.py --trials 200 --data data/mame --image-size 128
"""

from search.space import Choice, Float, Int, Question, Space, Value, When

_ALL = ("plain", "vgg", "resnet", "mobilenet", "densenet")
_COMMON: dict[str, Value] = {"head_drop_rate": 0.0, "l2": 1e-6, "lr": 1e-3, "batch_size": 32}


def _of(*families: str) -> When:
    return When("family", among=families)


SPACE = Space(
    title="Families",
    question=Question(
        previous="The plain network's depth and width have been searched. On five painters a "
        "VGG-like network of 6.6 million weights, a ResNet of 4.1 and a MobileNetV2-like one of "
        "0.6 all reached about 0.95; DenseNet cut by one block lost little on eight scenes.",
        hypothesis="Shortcuts and depthwise convolutions give the same accuracy with fewer "
        "weights; trained from scratch on few images, the smaller family is the better one.",
        setup="The family is a parameter, and each family's own sizes exist beside it alone. "
        "Widths double from block to block. No augmentation.",
        builds_on=("capacity",),
    ),
    parameters=(
        Choice("family", _ALL, source="the networks of the five painters and the eight scenes"),
        Int(
            "depth",
            2,
            4,
            source="1 to 4 blocks in the MAMe experiments, 4 in the painters' VGG and in "
            "DenseNet-121, 3 in ResNet29",
        ),
        Choice(
            "width",
            (16, 32, 64),
            when=_of("plain", "vgg", "resnet", "mobilenet"),
            source="16 in MAMe experiment 6 and in MobileNetV2, 64 in VGG and in ResNet29",
        ),
        Int(
            "convolutions",
            1,
            2,
            when=_of("plain", "vgg"),
            source="1 in the MAMe experiments, 2 in the painters' VGG and the best public recipe",
        ),
        Int("pointwise", 0, 1, when=_of("vgg"), source="1 in blocks 3 and 4 of the painters' VGG"),
        Int(
            "units",
            1,
            6,
            when=_of("resnet", "mobilenet", "densenet"),
            source="2 to 4 in ResNet29, 1 to 4 in MobileNetV2, 6 in DenseNet-121's first block",
        ),
        Choice(
            "stem_width",
            (16, 32, 64),
            when=_of("resnet", "mobilenet", "densenet"),
            source="64 in ResNet29 and DenseNet-121, 32 in MobileNetV2, 16 for few",
        ),
        Choice(
            "stem_kernel_size",
            (3, 7),
            when=_of("resnet"),
            source="7 in ResNet29; 3 for small images in He et al. 2016, section 4.2",
        ),
        Int(
            "stem_stride",
            1,
            2,
            when=_of("resnet", "mobilenet"),
            source="2 in ResNet29 and MobileNetV2; 1 for small images in He et al. 2016",
        ),
        Choice(
            "stem_pool",
            ("none", "max"),
            when=_of("resnet"),
            source="max in ResNet29, none for small images in He et al. 2016, section 4.2",
        ),
        Choice(
            "expansion",
            (2, 4, 6),
            when=_of("resnet", "mobilenet"),
            source="4 in ResNet29, 6 in MobileNetV2, 2 to be smaller",
        ),
        Choice(
            "last_width",
            (80, 160, 320),
            when=_of("mobilenet"),
            source="160 in the painters' network, half and twice as much",
        ),
        Choice(
            "growth",
            (12, 24, 32),
            when=_of("densenet"),
            source="12 and 24 in Huang et al. 2017, table 2, 32 in DenseNet-121",
        ),
        Int(
            "cut",
            0,
            1,
            when=_of("densenet"),
            source="one block less lost little on eight scenes (0.941 against 0.9542)",
        ),
        Float(
            "head_drop_rate",
            0.0,
            0.6,
            step=0.2,
            source="0.6 in the best public recipe from scratch",
        ),
        Float(
            "l2",
            1e-6,
            1e-3,
            log=True,
            source="0.001 in MAMe experiments 7 to 10; as good as none at the low end",
        ),
        Choice("batch_size", (32, 64), source="32 for the painters, 64 in the MAMe experiments"),
        Float(
            "lr",
            1e-4,
            5e-3,
            log=True,
            source="1e-3 for the painters and as Adam's default (Kingma and Ba 2015)",
        ),
    ),
    fixed={
        "width_growth": 2.0,
        "width_limit": 512,
        "batch_norm": "before",
        "activation": "relu",
        "head": "average",
        "dense_depth": 0,
        "optimizer": "adam",
        "schedule": "exponential",
        "decay_rate": 0.05,
        "decay_after_epochs": 10,
    },
    baselines=(
        {"family": "plain", "depth": 3, "width": 32, "convolutions": 2, **_COMMON},
        # The painters' three, with blocks of equal units and widths that double.
        {"family": "vgg", "depth": 4, "width": 64, "convolutions": 2, "pointwise": 1, **_COMMON},
        {
            "family": "resnet",
            "depth": 3,
            "width": 64,
            "units": 3,
            "stem_width": 64,
            "stem_kernel_size": 7,
            "stem_stride": 2,
            "stem_pool": "max",
            "expansion": 4,
            **_COMMON,
        },
        {
            "family": "mobilenet",
            "depth": 4,
            "width": 16,
            "units": 2,
            "stem_width": 32,
            "stem_stride": 2,
            "expansion": 6,
            "last_width": 160,
            **_COMMON,
        },
        {
            "family": "densenet",
            "depth": 4,
            "units": 6,
            "stem_width": 64,
            "growth": 32,
            "cut": 1,
            **_COMMON,
        },
    ),
    epochs=40,
)
