"""Networks as sources of features: what layers say of images, given to classical classifiers.

Nothing here trains a network. It may be one that this project has trained, or a pretrained one of
torchvision's.
"""
