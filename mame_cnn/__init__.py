"""Convolutional networks on images, alone or in cohorts. Knows torch, never Optuna."""

from commands.errors import end_quietly_while_starting
from mame_cnn.process import keep_freed_memory, limit_spinning

end_quietly_while_starting()
limit_spinning()
keep_freed_memory()
