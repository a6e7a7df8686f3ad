"""People whose face was not found, and where everybody's body is."""
