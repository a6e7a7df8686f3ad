"""The demo: every refusal, and the one release, on a real photograph with simulated consent."""
