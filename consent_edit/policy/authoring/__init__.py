"""What policy authors work with: tests, differences, explanations; nothing on the way of an edit imports this."""
