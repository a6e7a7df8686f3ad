"""Every small change of the floor, each of which must be noticed."""
