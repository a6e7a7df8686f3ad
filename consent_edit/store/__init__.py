"""Store: the tables that the log, the use counts and the decision records live in."""
