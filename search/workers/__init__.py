"""A search in several processes: on this machine, or over a Ray cluster."""
