"""Studies: begun, pinned, opened again, and judged before they are read."""
