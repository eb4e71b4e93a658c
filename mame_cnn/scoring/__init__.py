"""What probabilities are worth: scores, their intervals, tables, and the files they come from."""
