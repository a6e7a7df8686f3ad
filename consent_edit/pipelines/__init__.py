"""Pipelines: diffusers pipelines run under a clearance, with nothing to slip through."""
