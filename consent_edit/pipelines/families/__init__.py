"""The families: which pipeline classes may run, and what each of their arguments is; an allow-list.

Adding one is adding its record to the file of its model line; ``family.py`` says what a record holds.
"""

from __future__ import annotations

from consent_edit.pipelines.families.builtin import GRADING
from consent_edit.pipelines.families.family import Family, Hook, Role
from consent_edit.pipelines.families.lookup import classify
from consent_edit.pipelines.families.stable_diffusion import INPAINT, INSTRUCT_PIX2PIX
from consent_edit.pipelines.families.table import FAMILIES

__all__ = [
    "FAMILIES",
    "GRADING",
    "INPAINT",
    "INSTRUCT_PIX2PIX",
    "Family",
    "Hook",
    "Role",
    "classify",
]
