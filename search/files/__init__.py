"""The files that trials leave: where they lie, checkpoints, learning curves, predictions."""
