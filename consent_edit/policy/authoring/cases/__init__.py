"""Test files of policies: one line of difference and what must come of it."""
