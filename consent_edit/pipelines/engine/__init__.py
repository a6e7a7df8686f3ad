"""The engine: the editor in a process of its own, which hosts ask over a Unix socket and can't look into."""
