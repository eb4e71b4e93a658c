"""The unit of training: T networks of one shape trained as one, each with its own coefficients."""
