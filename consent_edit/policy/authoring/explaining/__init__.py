"""Why an edit is refused, and the nearest one that is not."""
