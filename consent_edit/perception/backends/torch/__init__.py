"""The models on a device: the same files as the CPU runtimes run, read into torch."""
