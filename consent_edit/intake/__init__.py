"""Intake: bytes become canonical pixels, or an ``input.*`` error says why not."""
