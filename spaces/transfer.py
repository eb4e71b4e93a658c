"""Which head suits a frozen backbone? VGG16's 13 convolutions with ImageNet weights, heads on top.

Source: the transfer experiments on MAMe, whose three heads are the baselines. Weights:
torchvision's; for a network of your own copy this file and say `"backbone": "trained"` and
`"weights": "PATH/weights.safetensors"`.
Cost: the features are computed once (an image in some 0.1 s on two cores, 1 ms on a GPU); then a
trial of 60 epochs takes seconds.
Run: python -m search.run spaces/transfer.py --trials 60 --data data/mame --image-size 224
"""

from search.space import Choice, Float, Int, Question, Space, Value, When

FIXED: dict[str, Value] = {
    "family": "pretrained",
    "from_scratch": "false",
    "backbone": "vgg16",
    "weights": "torchvision",
    "head": "average",
    "activation": "relu",
    "optimizer": "adam",
    "batch_size": 128,
    "patience_epochs": 20,
    "patience_on": "loss",
}
HEAD_I: dict[str, Value] = {
    "head_batch_norm": "none",
    "dense_depth": 2,
    "dense_width": 512,
    "dense_l2": 0.0,
    "dense_drop_rate_1": 0.2,
    "lr": 1e-4,
}

SPACE = Space(
    title="Transfer",
    question=Question(
        previous="Heads on VGG16 with ImageNet weights reached 0.7536 (two layers of 512, dropout "
        "0.2), 0.8004 (batch normalisation, L2, dropout 0.3) and 0.8018 (three layers of 256, "
        "dropout 0.4) in validation on MAMe; the best network from scratch reached 0.64.",
        hypothesis="Batch normalisation of the features matters more than the number of layers "
        "on them; a single layer with the right dropout and L2 is as good as three.",
        setup="The backbone stays frozen and its features are averaged over the map. Early "
        "stopping on the validation loss with a patience of 20 epochs; the weights of the best "
        "accuracy are kept. No augmentation, so that features are computed once.",
        builds_on=("regularization",),
    ),
    parameters=(
        Choice("head_batch_norm", ("none", "before"), source="without in head i, with in ii, iii"),
        Int("dense_depth", 0, 3, source="2 in heads i and ii, 3 in iii; 0 is a linear map"),
        Choice(
            "dense_width",
            (128, 256, 512, 1024),
            when=When("dense_depth", among=(1, 2, 3)),
            source="512 in heads i and ii, 256 in iii; 1024 on DenseNet for eight scenes",
        ),
        Choice(
            "dense_l2",
            (0.0, 1e-5, 1e-4, 1e-3, 1e-2),
            when=When("dense_depth", among=(1, 2, 3)),
            source="none in head i, of unstated size in ii and iii; Keras's default is 0.01",
        ),
        Float(
            "dense_drop_rate_1",
            0.0,
            0.6,
            step=0.1,
            when=When("dense_depth", among=(1, 2, 3)),
            source="0.2, 0.3 and 0.4 in the heads; 0.5 was best on eight scenes",
        ),
        Float("lr", 1e-5, 1e-2, log=True, source="1e-5 and 1e-4 on eight scenes; Adam's is 1e-3"),
    ),
    fixed=FIXED,
    baselines=(
        HEAD_I,
        {**HEAD_I, "head_batch_norm": "before", "dense_l2": 1e-3, "dense_drop_rate_1": 0.3},
        {
            **HEAD_I,
            "head_batch_norm": "before",
            "dense_depth": 3,
            "dense_width": 256,
            "dense_l2": 1e-3,
            "dense_drop_rate_1": 0.4,
        },
    ),
    epochs=60,
)
