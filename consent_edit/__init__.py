"""Image editing that refuses any real face without that person's signed consent.

The public names. Those that need torch or the perception models are loaded when first asked for, so that
intake, consent, policy and verification import in the base install.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from consent_edit.consent.presentation import Presentation
from consent_edit.errors import (
    ConsentEditError,
    EditRefused,
    InputError,
    Unavailable,
    VerificationFailed,
)
from consent_edit.request import EditRequest, EditResult
from consent_edit.vocabulary import Operation, Purpose

if TYPE_CHECKING:
    from consent_edit import operator_folder
    from consent_edit.editor import ConsentEditor
    from consent_edit.operator import Operator
    from consent_edit.pipelines.engine.client import EngineClient
    from consent_edit.pipelines.engine.process import EngineProcess
    from consent_edit.pipelines.engine.setup import EngineSetup
    from consent_edit.pipelines.guarded import GuardedPipeline, guard

__version__ = "0.1.0"

__all__ = [
    "ConsentEditError",
    "ConsentEditor",
    "EditRefused",
    "EditRequest",
    "EditResult",
    "EngineClient",
    "EngineProcess",
    "EngineSetup",
    "GuardedPipeline",
    "InputError",
    "Operation",
    "Operator",
    "Presentation",
    "Purpose",
    "Unavailable",
    "VerificationFailed",
    "guard",
    "operator_folder",
]

_LAZY = {
    "ConsentEditor": "consent_edit.editor",
    "EngineClient": "consent_edit.pipelines.engine.client",
    "EngineProcess": "consent_edit.pipelines.engine.process",
    "EngineSetup": "consent_edit.pipelines.engine.setup",
    "GuardedPipeline": "consent_edit.pipelines.guarded",
    "Operator": "consent_edit.operator",
    "guard": "consent_edit.pipelines.guarded",
}


def __getattr__(name: str) -> object:
    if name == "operator_folder":
        return import_module("consent_edit.operator_folder")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
