"""What is searched: one declarative space a file, each range with its source, and no code."""
