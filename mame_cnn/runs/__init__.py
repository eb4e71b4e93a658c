"""Training to the end: configurations with their seeds, each kept as a folder."""
