"""``python -m consent_edit``: the command line, where its script is not on the path."""

from consent_edit.cli.main import run

run()
