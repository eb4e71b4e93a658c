"""Convolutional networks on images, alone or in cohorts. Knows torch, never Optuna."""
