"""From stored images to the batches that networks read."""
