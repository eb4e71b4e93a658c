"""Convolutional networks on images, alone or in cohorts. Knows torch, never Optuna."""

from mame_cnn.threads import limit_spinning

limit_spinning()
