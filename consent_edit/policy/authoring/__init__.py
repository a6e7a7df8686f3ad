"""For those who write policies: tests, differences, explanations; no edit imports any of it."""
