"""Reading a prompt: what an edit is asked to do, in which language, to whom."""
