"""Evidence: the finished file, its receipt, and the log that both stand in."""
