"""Policy bundles: an operator's Cedar text, held to the house rules, with its digest.

A bundle can only narrow what the floor lets through. Its text is measured before it is parsed, validated
strictly against the schema, and every rule says who it is (``@id``) and why it is there (``@reason``).
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from consent_edit.errors import PolicyInvalid
from consent_edit.policy.codes import FAMILIES, NOT_PERMITTED, RuleText, policy_code
from consent_edit.policy.context import contexts
from consent_edit.policy.engine import Compiled, Rule, Verdict, authorise, compile_text
from consent_edit.policy.facts import Facts
from consent_edit.policy.limits import MAX_FILE_BYTES, check_limits
from consent_edit.policy.rehearsal import rehearse
from consent_edit.policy.restriction import RESTRICTION_PREFIX
from consent_edit.policy.shipped_names import NAME, POLICY_FILE, jurisdiction_folder, policy_folder
from consent_edit.policy.stack import COMPILE_STACK_BYTES, with_stack
from consent_edit.policy.terms import Effect, RuleTerm

_REMEMBERED: Final = 4096
_NARROWED_REMEMBERED: Final = 64
_ANNOTATIONS: Final = frozenset({"id", "reason", "reason_fr", "remedy", "remedy_fr"})
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode categories of signs that move what stands around them: controls, turns of direction, line ends."""


def _reserved(code: str) -> bool:
    return code == NOT_PERMITTED or code.startswith(RESTRICTION_PREFIX)


def _rule_text(rule: Rule) -> RuleText:
    """Read a rule's annotations.

    Raises:
        PolicyInvalid: ``@id`` or ``@reason`` missing or empty, a name out of form or reserved, or an
            annotation nobody knows.
    """
    notes = rule.annotations
    name = notes.get("id", "").strip()
    if not name:
        raise PolicyInvalid(
            f"{rule.key}: every rule needs an @id",
            remedy='add @id("…") above the rule: lower-case words joined by hyphens',
        )
    if name.partition(".")[0] in FAMILIES and "." in name:
        raise PolicyInvalid(f"{name}: the prefixes {', '.join(f + '.' for f in FAMILIES)} are reserved")
    if NAME.fullmatch(name) is None or _reserved(policy_code(name)):
        raise PolicyInvalid(f"{name!r}: an @id is lower-case words joined by hyphens, and not a reserved one")
    if not notes.get("reason", "").strip():
        raise PolicyInvalid(
            f"{name}: every rule needs a @reason",
            remedy='add @reason("…") above the rule: a sentence for whoever is refused',
        )
    if unknown := set(notes) - _ANNOTATIONS:
        raise PolicyInvalid(f"{name}: unknown annotation {', '.join(sorted(unknown))}")
    texts = {key: _still(value).strip() for key, value in notes.items() if key != "id"}
    return RuleText(policy_code(name), **texts)


def _still(text: str) -> str:
    """The text with a space for every sign that steers a terminal or turns a reader's words around."""
    return "".join(" " if unicodedata.category(sign) in _UNSEEN else sign for sign in text)


def read_text(path: Path) -> str:
    """The text of a policy file, or of ``policy.cedar`` in a folder; nothing here waits for a pipe.

    Raises:
        PolicyInvalid: it is no regular file, cannot be read, is not UTF-8, or is too long.
    """
    try:
        file = path / POLICY_FILE if path.is_dir() else path
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise OSError("no regular file")
            raw = handle.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8") if len(raw) <= MAX_FILE_BYTES else ""
    except (OSError, ValueError) as error:
        raise PolicyInvalid(f"{path}: not a readable UTF-8 policy file") from error
    if len(raw) > MAX_FILE_BYTES:
        raise PolicyInvalid(f"{path}: policy text is over {MAX_FILE_BYTES} bytes")
    return text


def _on_its_own_stack(text: str) -> Compiled:
    """As ``compile_text``, with a larger stack than the rehearsal's, whatever thread of a host's asks."""
    return with_stack(lambda: compile_text(text), COMPILE_STACK_BYTES)


def _name_of(path: Path) -> str:
    return path.stem if path.suffix else path.name


def _compiled(text: str) -> Compiled:
    """Measure, then parse and validate.

    Raises:
        PolicyInvalid: over a limit, not valid, or empty.
    """
    if not check_limits(text):
        raise PolicyInvalid("the policy text holds no rule; it would refuse everything")
    return _on_its_own_stack(text)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Rules that only forbid, to be laid over any bundle: a jurisdiction's, say.

    Attributes:
        name: For people and records, such as ``eu``.
        text: Cedar policies, every one of them a ``forbid``.
    """

    name: str
    text: str

    @classmethod
    def from_text(cls, text: str, *, name: str) -> Narrowing:
        """Take a text in which nothing permits.

        Raises:
            PolicyInvalid: it is no valid policy text, or one of its rules permits.
        """
        for rule in _compiled(text).rules:
            said = _rule_text(rule)
            if rule.term.effect is not Effect.FORBID:
                raise PolicyInvalid(f"{said.code}: what narrows a policy can only forbid")
        return cls(name, text)

    @classmethod
    def load(cls, path: Path) -> Narrowing:
        """Read one from a policy file, or from a folder that holds ``policy.cedar``.

        Raises:
            PolicyInvalid: it cannot be read, or is refused by ``from_text``.
        """
        text = read_text(path)
        rehearse(text)
        return cls.from_text(text, name=_name_of(path))

    @classmethod
    def jurisdiction(cls, code: str) -> Narrowing:
        """One of the jurisdictions that ship with the package, such as ``eu``.

        Raises:
            PolicyInvalid: there is none of that code.
            Unavailable: the installation lacks the policies.
        """
        return _jurisdiction(code)


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """An operator's policy, ready to be evaluated. Make one with ``load``, ``shipped`` or ``from_text``.

    Attributes:
        name: For people; the folder's or file's name, and after a ``+`` what narrows it.
        digest: ``sha256:<hex>`` over the canonical form of the rules, in which spaces, line breaks and
            comments play no part; two bundles with one digest decide and explain alike.
        texts: What each rule says, in the order of the text.
        rules: What each rule does, in the same order.
    """

    name: str
    digest: str
    texts: tuple[RuleText, ...]
    text: str = field(repr=False, compare=False)
    rules: tuple[RuleTerm, ...] = field(repr=False, compare=False)
    _reads: tuple[str, ...] = field(repr=False, compare=False)
    _verdict: Callable[[str], Verdict] = field(repr=False, compare=False)
    _code_of: Mapping[str, str] = field(repr=False, compare=False)

    @classmethod
    def from_text(cls, text: str, *, name: str = "inline") -> PolicyBundle:
        """Take a policy text that comes from this very house; foreign text goes through ``foreign``.

        Raises:
            PolicyInvalid: over a limit, not valid, empty, or against the house rules for annotations.
        """
        return cls._of(_compiled(text), text, name)

    @classmethod
    def foreign(cls, text: str, *, name: str) -> PolicyBundle:
        """Take a text from somebody else, such as a tenant: rehearsed first in a process that can be killed.

        Raises:
            PolicyInvalid: as ``from_text``; or the rehearsal crashed, or took too long or too much memory.
            CheckFailed: no rehearsal could be held.
        """
        if "+" in name:
            raise PolicyInvalid("a policy's name holds no +: what stands behind one narrows it")
        rehearse(text)
        return cls.from_text(text, name=name)

    @classmethod
    def _of(cls, compiled: Compiled, text: str, name: str) -> PolicyBundle:
        texts = tuple(_rule_text(rule) for rule in compiled.rules)
        if len({rule.code for rule in texts}) != len(texts):
            raise PolicyInvalid("two rules have the same @id")
        return cls(
            name=name,
            digest=f"sha256:{hashlib.sha256(compiled.canonical.encode()).hexdigest()}",
            texts=texts,
            text=text,
            rules=tuple(rule.term for rule in compiled.rules),
            _reads=compiled.reads,
            _verdict=lru_cache(maxsize=_REMEMBERED)(partial(authorise, compiled)),
            _code_of={rule.key: said.code for rule, said in zip(compiled.rules, texts, strict=True)},
        )

    @classmethod
    def load(cls, path: Path) -> PolicyBundle:
        """Read a bundle from a policy file, or from a folder that holds ``policy.cedar``; it is foreign text.

        Raises:
            PolicyInvalid: it cannot be read, is not UTF-8, or is refused by ``foreign``.
            CheckFailed: no rehearsal could be held.
        """
        return cls.foreign(read_text(path), name=_name_of(path))

    @classmethod
    def shipped(cls, name: str) -> PolicyBundle:
        """One of the bundles that ship with the package, such as ``default``.

        Raises:
            PolicyInvalid: there is none of that name.
            Unavailable: the installation lacks the policies.
        """
        return cls.from_text(read_text(policy_folder(name)), name=name)

    def narrowed(self, narrowings: Iterable[Narrowing]) -> PolicyBundle:
        """The bundle with rules laid over it that can only forbid.

        Raises:
            PolicyInvalid: an ``@id`` stands twice, or a rule laid over it permits.
        """
        added = tuple(narrowings)
        return _narrowed(self, added) if added else self

    def within(self, jurisdictions: Iterable[str]) -> PolicyBundle:
        """The bundle narrowed by jurisdictions that ship, each once, in the order of their codes as given.

        Raises:
            PolicyInvalid: there is no such jurisdiction, or an ``@id`` stands twice.
        """
        return self.narrowed(Narrowing.jurisdiction(code) for code in dict.fromkeys(jurisdictions))

    @property
    def reads(self) -> tuple[str, ...]:
        """The facts that its rules can read; what it decides depends on no other."""
        return self._reads

    def refusals(self, facts: Facts) -> tuple[tuple[str, int], ...]:
        """The operator's rules that refuse, with the index of the person they refuse for.

        Every person is one request; the edit is permitted only when the answer is empty. A verdict depends on
        the bundle and the context alone, so equal contexts are answered from memory; a failure never is.

        Raises:
            CheckFailed: the engine gave no clean answer for somebody.
        """
        return tuple(
            (code, index)
            for index, context in enumerate(contexts(facts, self._reads))
            for code in self.refusals_of(context)
        )

    def refusals_of(self, context: str) -> tuple[str, ...]:
        """Codes of the rules that refuse one person's context; none when the rules permit it.

        Args:
            context: From :func:`consent_edit.policy.context.context_of` with ``reads``.

        Raises:
            CheckFailed: the engine gave no clean answer.
        """
        verdict = self._verdict(context)
        if verdict.allowed:
            return ()
        return tuple(self._code_of[key] for key in verdict.determining) or (NOT_PERMITTED,)

    def determining(self, context: str) -> tuple[str, ...]:
        """Codes of the rules that decide one person's context, permits included; none: nothing permitted.

        Args:
            context: As for :meth:`refusals_of`.

        Raises:
            CheckFailed: the engine gave no clean answer.
        """
        return tuple(self._code_of[key] for key in self._verdict(context).determining)


@lru_cache(maxsize=_NARROWED_REMEMBERED)
def _jurisdiction(code: str) -> Narrowing:
    return Narrowing.from_text(read_text(jurisdiction_folder(code)), name=code)


@lru_cache(maxsize=_NARROWED_REMEMBERED)
def _narrowed(bundle: PolicyBundle, narrowings: tuple[Narrowing, ...]) -> PolicyBundle:
    """Each text is whole by itself, so they can stand one below the other."""
    text = "\n".join((bundle.text, *(narrowing.text for narrowing in narrowings)))
    name = "+".join((bundle.name, *(narrowing.name for narrowing in narrowings)))
    whole = PolicyBundle._of(_on_its_own_stack(text), text, name)
    laid_over = whole.rules[len(bundle.rules) :]
    if any(rule.effect is not Effect.FORBID for rule in laid_over):
        raise PolicyInvalid(f"{name}: what narrows a policy can only forbid")
    return whole
