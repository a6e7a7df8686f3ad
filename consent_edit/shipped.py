"""Files that ship beside the code: inside the wheel when installed, at the top of the tree in a checkout."""

from __future__ import annotations

from pathlib import Path

from consent_edit.errors import Unavailable

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Path of a shipped file or folder, such as ``policies`` or ``models.lock.toml``.

    Raises:
        Unavailable: the installation lacks it.
    """
    for candidate in (_PACKAGE / "shipped" / name, _PACKAGE.parent / name):
        if candidate.exists():
            return candidate
    raise Unavailable(
        f"the installation lacks {name}",
        code="check.installation",
        remedy="reinstall consent-edit from its wheel or a complete checkout",
    )
