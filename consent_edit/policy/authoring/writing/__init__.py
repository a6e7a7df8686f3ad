"""What a new policy starts from, and what a check says of one."""
