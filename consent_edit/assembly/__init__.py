"""Assembly: what was seen and asked (perception) beside who consented to what (consent), as Facts for policy.

The rooms below know nothing of each other; here, and only here, a face meets a credential.
"""

from consent_edit.assembly.after import assemble_output
from consent_edit.assembly.before import assemble_input
from consent_edit.assembly.beside import Beside
from consent_edit.assembly.masked import under_mask
from consent_edit.assembly.measured import measured_operations
from consent_edit.assembly.people import Assembled, Objects, consenting_faces, matched_consents

__all__ = [
    "Assembled",
    "Beside",
    "Objects",
    "assemble_input",
    "assemble_output",
    "consenting_faces",
    "matched_consents",
    "measured_operations",
    "under_mask",
]
