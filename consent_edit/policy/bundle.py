"""Policy bundles: an operator's Cedar text, held to the house rules, with its digest.

A bundle can only narrow what the floor lets through. Its text is measured before it is parsed, validated
strictly against the schema, and every rule says who it is (``@id``) and why it is there (``@reason``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.codes import FAMILIES, NOT_PERMITTED, RuleText, policy_code
from consent_edit.policy.context import contexts
from consent_edit.policy.engine import Rule, Verdict, authorise, compile_text
from consent_edit.policy.facts import Facts
from consent_edit.policy.limits import MAX_FILE_BYTES, check_limits
from consent_edit.shipped import shipped

_FILE: Final = "policy.cedar"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_REMEMBERED: Final = 4096
_ANNOTATIONS: Final = frozenset({"id", "reason", "reason_fr", "remedy", "remedy_fr"})


def _rule_text(rule: Rule) -> RuleText:
    """Read a rule's annotations.

    Raises:
        PolicyInvalid: ``@id`` or ``@reason`` missing or empty, a name out of form or reserved, or an
            annotation nobody knows.
    """
    notes = rule.annotations
    name = notes.get("id", "").strip()
    if not name:
        raise PolicyInvalid(f"{rule.key}: every rule needs an @id")
    if name.partition(".")[0] in FAMILIES and "." in name:
        raise PolicyInvalid(f"{name}: the prefixes {', '.join(f + '.' for f in FAMILIES)} are reserved")
    if _NAME.fullmatch(name) is None or policy_code(name) == NOT_PERMITTED:
        raise PolicyInvalid(f"{name!r}: an @id is lower-case words joined by hyphens, and not a reserved one")
    if not notes.get("reason", "").strip():
        raise PolicyInvalid(f"{name}: every rule needs a @reason")
    if unknown := set(notes) - _ANNOTATIONS:
        raise PolicyInvalid(f"{name}: unknown annotation {', '.join(sorted(unknown))}")
    texts = {key: value.strip() for key, value in notes.items() if key != "id"}
    return RuleText(policy_code(name), **texts)


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """An operator's policy, ready to be evaluated. Make one with ``load``, ``shipped`` or ``from_text``.

    Attributes:
        name: For people; the folder's or file's name.
        digest: ``sha256:<hex>`` over the UTF-8 text; two bundles with one digest decide alike.
        texts: What each rule says, in the order of the text.
    """

    name: str
    digest: str
    texts: tuple[RuleText, ...]
    _verdict: Callable[[str], Verdict] = field(repr=False, compare=False)
    _code_of: Mapping[str, str] = field(repr=False, compare=False)

    @classmethod
    def from_text(cls, text: str, *, name: str = "inline") -> PolicyBundle:
        """Take a policy text.

        Raises:
            PolicyInvalid: over a limit, not valid, empty, or against the house rules for annotations.
        """
        if not check_limits(text):
            raise PolicyInvalid("the policy text holds no rule; it would refuse everything")
        compiled = compile_text(text)
        texts = tuple(_rule_text(rule) for rule in compiled.rules)
        if len({rule.code for rule in texts}) != len(texts):
            raise PolicyInvalid("two rules have the same @id")
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        code_of = {rule.key: said.code for rule, said in zip(compiled.rules, texts, strict=True)}
        verdict = lru_cache(maxsize=_REMEMBERED)(partial(authorise, compiled))
        return cls(name, digest, texts, verdict, code_of)

    @classmethod
    def load(cls, path: Path) -> PolicyBundle:
        """Read a bundle from a policy file, or from a folder that holds ``policy.cedar``.

        Raises:
            PolicyInvalid: it cannot be read, is not UTF-8, or is refused by ``from_text``.
        """
        try:
            file = path / _FILE if path.is_dir() else path
            with file.open("rb") as handle:
                raw = handle.read(MAX_FILE_BYTES + 1)
            text = raw.decode("utf-8") if len(raw) <= MAX_FILE_BYTES else ""
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyInvalid(f"{path}: not a readable UTF-8 policy file") from error
        if len(raw) > MAX_FILE_BYTES:
            raise PolicyInvalid(f"{path}: policy text is over {MAX_FILE_BYTES} bytes")
        return cls.from_text(text, name=path.stem if path.suffix else path.name)

    @classmethod
    def shipped(cls, name: str) -> PolicyBundle:
        """One of the bundles that ship with the package, such as ``default``.

        Raises:
            PolicyInvalid: there is none of that name.
            Unavailable: the installation lacks the policies.
        """
        if _NAME.fullmatch(name) is None:
            raise PolicyInvalid("a shipped policy's name is lower-case words joined by hyphens")
        return cls.load(shipped("policies") / name)

    def refusals(self, facts: Facts) -> tuple[tuple[str, int], ...]:
        """The operator's rules that refuse, with the index of the person they refuse for.

        Every person is one request; the edit is permitted only when the answer is empty. A verdict depends on
        the bundle and the context alone, so equal contexts are answered from memory; a failure never is.

        Raises:
            CheckFailed: the engine gave no clean answer for somebody.
        """
        found: list[tuple[str, int]] = []
        for index, context in enumerate(contexts(facts)):
            verdict = self._verdict(context)
            if not verdict.allowed:
                codes = [self._code_of[key] for key in verdict.determining] or [NOT_PERMITTED]
                found += [(code, index) for code in codes]
        return tuple(found)
