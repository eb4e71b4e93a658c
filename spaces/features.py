"""Which layers, how coarse, which forest? A classifier on what a network sees, in seconds each.

Source: the feature extraction on MAMe from VGG16 (spatial averages of 13 convolutions and two
dense layers, of the last convolution of each block, or of the very last, discretised or not, into
forests of 50 and 100 trees with leaves of 20, 7 and 2 images), and the full-network embedding of
Garcia-Gasulla et al. 2018 (arXiv 1705.07706), which gave it to a linear SVM.
Cost: the features once, kept for all trials and studies; then seconds a trial. For a forest of
100 trees, 12,416 features and 20,300 images, minutes.
Run: python -m search.run spaces/features.py --trials 40 --looker RUN
     python -m search.run spaces/features.py --trials 40 --looker vgg16 --data data/mame
"""

from search.space import Choice, Float, Int, Question, Space, Value, When

_FOREST = When("classifier", among=("forest",))
_LINEAR = When("classifier", among=("svm", "logistic"))
_PAPER: dict[str, Value] = {
    "layers": "all",
    "discretisation": "full_network",
    "threshold_low": -0.25,
    "threshold_high": 0.15,
}
_PLAIN: dict[str, Value] = {"layers": "all", "discretisation": "none"}

SPACE = Space(
    title="Features",
    question=Question(
        previous="On MAMe a forest on the features of VGG16 reached 0.73 in validation, of the "
        "fine-tuned network 0.74; discretised features did worse. The full-network embedding "
        "with a linear SVM was the better the fewer images there were.",
        hypothesis="All layers together do better than the last, discretisation helps linear "
        "classifiers and not forests, which cut features where they like.",
        setup="One network, which is not trained further, looks at all images once; --looker "
        "names it. Each trial fits a classifier of scikit-learn to the spatial averages of some "
        "of its layers, standardised on the training images.",
    ),
    parameters=(
        Choice(
            "layers",
            ("all", "convolutions", "block_ends", "last"),
            source="the four sets of the MAMe experiments: 12,416, 4,224, 1,472 and 512 features "
            "of VGG16",
        ),
        Choice(
            "discretisation",
            ("none", "full_network"),
            source="without and with on MAMe; Garcia-Gasulla et al. 2018, section III",
        ),
        Float(
            "threshold_low",
            -1.0,
            0.0,
            step=0.05,
            when=When("discretisation", among=("full_network",)),
            source="-0.25 in Garcia-Gasulla et al. 2018; as far as four times that",
        ),
        Float(
            "threshold_high",
            0.0,
            1.0,
            step=0.05,
            when=When("discretisation", among=("full_network",)),
            source="0.15 in Garcia-Gasulla et al. 2018; as far down and up as the other",
        ),
        Choice(
            "classifier",
            ("forest", "svm", "logistic", "neighbours"),
            source="a forest on MAMe, a linear SVM in Garcia-Gasulla et al. 2018; the two others "
            "are the simplest that there are",
        ),
        Int(
            "trees",
            25,
            200,
            log=True,
            when=_FOREST,
            source="50 and 100 on MAMe; half and twice that",
        ),
        Int(
            "min_samples_leaf",
            1,
            20,
            log=True,
            when=_FOREST,
            source="20, 7 and 2 on MAMe; 1 is scikit-learn's default",
        ),
        Float(
            "c",
            1e-4,
            1.0,
            log=True,
            when=_LINEAR,
            source="scikit-learn's default of 1 as the weakest penalty: with more features than "
            "images the classes separate long before",
        ),
        Int(
            "neighbours",
            1,
            25,
            log=True,
            when=When("classifier", among=("neighbours",)),
            source="1 is the nearest, 5 scikit-learn's default; five times that",
        ),
    ),
    baselines=(
        {**_PLAIN, "classifier": "forest", "trees": 100, "min_samples_leaf": 2},
        {**_PAPER, "classifier": "svm", "c": 1.0},
    ),
    epochs=1,
)
