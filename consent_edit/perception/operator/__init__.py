"""An operator's own models, added beside the must-run ones."""
