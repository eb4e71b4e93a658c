"""The study engine: spaces, sampling, rungs, studies, export. Knows Optuna, never torch."""
