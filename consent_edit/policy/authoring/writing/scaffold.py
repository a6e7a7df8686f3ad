"""A new policy to start from: text, README and tests that pass, out of a template or a policy that ships."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from consent_edit.errors import Unavailable
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.shipped_names import NAME, POLICY_FILE, policy_folder

_TEMPLATES: Final = Path(__file__).with_name("templates")
_NAMED: Final = re.compile(r"^policy:.*$", re.MULTILINE)
_OTHERWISE: Final = "policy"


def name_for(folder: Path) -> str:
    """The name of a policy in a folder: the folder's own, if a policy can be called so."""
    name = folder.resolve().name
    return name if NAME.fullmatch(name) else _OTHERWISE


def new_policy(name: str, *, pack: str = "") -> Mapping[str, str]:
    """The files of a new policy.

    Args:
        name: Of the policy.
        pack: Name of a policy that ships, to start from; by default the template.

    Returns:
        Path below the policy's folder -> text.

    Raises:
        PolicyInvalid: no policy of that name ships.
        Unavailable: the installation lacks the policies or the templates.
    """
    try:
        text, cases = _of_pack(pack) if pack else _of_template(name)
        readme = (_TEMPLATES / "README.md").read_text(encoding="utf-8")
    except OSError as error:
        raise Unavailable("the installation lacks the templates", code="check.installation") from error
    texts = PolicyBundle.from_text(text, name=name).texts
    rules = "\n".join(f"| `{rule.code.removeprefix('policy.')}` | {rule.reason} |" for rule in texts)
    return {
        POLICY_FILE: text,
        "README.md": readme.replace("{{name}}", name).replace("{{rules}}", rules),
        f"tests/{name}.test.yaml": cases,
    }


def _of_template(name: str) -> tuple[str, str]:
    text = (_TEMPLATES / POLICY_FILE).read_text(encoding="utf-8")
    return text.replace("{{name}}", name), (_TEMPLATES / "cases.test.yaml").read_text(encoding="utf-8")


def _of_pack(pack: str) -> tuple[str, str]:
    """The text and the cases of a policy that ships."""
    cases = (policy_folder(pack) / "tests" / f"{pack}.test.yaml").read_text(encoding="utf-8")
    bundle = PolicyBundle.shipped(pack)
    text = f"// Started from {pack}, {bundle.digest}.\n//\n{bundle.text}"
    return text, _NAMED.sub("policy: ..", cases, count=1)
