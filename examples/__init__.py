"""Programs that use the Python interface; each runs in the suite."""
