"""Where studies are kept: journals, databases, and what happens when they are away or damaged."""
