"""The rooms of the fault campaign: what is run, what is done to it, and what must have lasted."""
