"""Policy: closed facts in, a decision out; the floor first, the operator's rules beside it."""
