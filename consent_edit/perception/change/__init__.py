"""What an edit changed: input laid over output, place by place."""
