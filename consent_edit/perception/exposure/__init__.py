"""Exposure: how much of whom a picture bares, and how that moved."""
