"""Proof that the floor holds: nothing on the way of an edit imports this."""
