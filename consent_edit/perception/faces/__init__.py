"""Faces: where they are, whose they are, how old they look."""
