"""Making an ensemble: training its members and choosing how they are combined."""
