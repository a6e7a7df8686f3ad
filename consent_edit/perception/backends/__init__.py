"""Backends: the runtimes that carry a model's arithmetic, one file each."""
