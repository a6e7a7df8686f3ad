"""Which edits two policies decide differently, exactly."""
