"""Model files: the lock, the store, the download, the self-test."""
