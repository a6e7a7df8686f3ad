"""The families of face detectors, one file each, and what makes faces of their boxes."""
