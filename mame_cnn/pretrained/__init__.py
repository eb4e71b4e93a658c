"""Transfer: backbones that others trained, or that this project trained on other images.

Which weights are meant is in the configuration, their hash included; nothing here is used by a
configuration that says `from_scratch`.
"""
