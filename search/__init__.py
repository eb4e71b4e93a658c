"""The study engine: spaces, sampling, rungs, studies, export. Knows Optuna, never torch."""

from commands.errors import end_quietly_while_starting

end_quietly_while_starting()
