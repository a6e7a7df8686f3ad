"""What recorded decisions tell of a policy: counts, and the same facts decided again."""
