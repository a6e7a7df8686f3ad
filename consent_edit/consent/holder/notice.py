"""What a person is asked to sign: whether it makes sense, and the notice she reads before, in her language.

The notice is a function of the grant's own claims: whoever holds the claims can write it again and compare
its hash. Every name stands in quotation marks at the end of a line of its own, so that no name can run on
into what the notice says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from consent_edit.consent.encoding import malformed
from consent_edit.consent.grant import ANYONE, KEY_THUMBPRINT, ConsentGrant
from consent_edit.consent.holder.notice_words import WORDS, Language, Words
from consent_edit.errors import InputError
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import MINOR_OPERATIONS, PHOTO_BOUND_OPERATIONS, Operation

NOTICE_URI: Final = "urn:consent-edit:notice:grant:2"
GUARDIAN_NOTICE_URI: Final = "urn:consent-edit:notice:grant-by-guardians:2"
"""The notice that guardians read, of a person in whose place they sign."""

_DAY: Final = 86_400
_LAST_MOMENT: Final = 253_402_300_799
"""The end of the year 9999, the last that a date can name."""

_QUOTES: Final = frozenset('"“”„‟«»')
_BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | {
    chr(code) for block in (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for code in block
}
"""Characters that count as letters or marks and show nothing."""

_KEY: Final = re.compile(KEY_THUMBPRINT)


def sensible(
    audience: str,
    grantee: str,
    operations: Collection[Operation],
    images: Collection[str],
    max_uses: int,
    days: int,
    *,
    anyone: bool,
    minor: bool = False,
) -> None:
    """Refuses to ask a person for a grant that makes no sense, or whose notice could read as another's.

    Raises:
        InputError: so, or a name holds what cannot be seen or could pass for the notice's own words.
    """
    if not (is_plain(audience) and is_plain(grantee)):
        raise InputError(
            "a name holds a character that cannot be seen, or a quotation mark", code="input.grant"
        )
    if (grantee == ANYONE) is not anyone:
        raise InputError("a grant to anybody must be asked for expressly, and only then", code="input.grant")
    if not operations or max_uses < 0 or days < 1:
        raise InputError(
            "a grant needs an operation, a limit of uses >= 0 and a day at least", code="input.grant"
        )
    if minor and not set(operations) <= MINOR_OPERATIONS:
        raise InputError(
            f"for a minor only these exist: {', '.join(sorted(MINOR_OPERATIONS))}", code="input.grant"
        )
    unbound = PHOTO_BOUND_OPERATIONS & set(operations)
    if unbound and not images:
        raise InputError(
            f"{', '.join(sorted(unbound))}: such a grant must name its photos",
            code="input.grant",
            remedy="name each photo the grant is for",
        )


def notice_text(grant: ConsentGrant) -> str:
    """What a person reads before she signs; its hash goes into the grant.

    Args:
        grant: The claims; ``notice.uri`` and ``notice.lang`` say which notice, ``notice.hash`` is not looked
            at.

    Raises:
        ConsentInvalid: ``MALFORMED``; no notice of ours, none in that language, a name that could read as
            something else, or a date beyond the year 9999.
    """
    words = words_of(grant)
    in_care = grant.notice.uri == GUARDIAN_NOTICE_URI
    lines = [words.in_care if in_care else words.own_face]
    if in_care:
        lines.append(_line(words.care_of, words.quote(grant.cnf.jkt)))
    lines.append(_line(words.grantee, grantee_in_words(grant, words)))
    lines += [_line(words.audience, name_in_words(name, words)) for name in grant.aud]
    for detail in grant.authorization_details:
        lines.append(_line(words.actions, "; ".join(words.operations[action] for action in detail.actions)))
        lines.append(_line(words.purpose, words.purposes[detail.purpose]))
    lines += [
        _line(words.which, words.photos(len(grant.images))),
        *(f"  {digest}" for digest in grant.images),
        _line(words.often, words.times(grant.max_uses)),
        _line(words.until, words.lasts(-(-(grant.exp - grant.nbf) // _DAY), moment(grant.exp))),
        *((words.all_sign, words.withdraw_in_care) if in_care else (words.withdraw,)),
    ]
    return "\n".join(lines) + "\n"


def verified_notice(grant: ConsentGrant) -> str:
    """The notice of a grant, written again from its claims: what its signer reads is what its hash names.

    Raises:
        ConsentInvalid: ``MALFORMED``; the hash is of another text, or as :func:`notice_text`.
    """
    text = notice_text(grant)
    if grant.notice.hash != byte_digest(text.encode("utf-8")):
        raise malformed("the grant names another notice than its claims give")
    return text


def words_of(grant: ConsentGrant) -> Words:
    """The words of the notice's language.

    Raises:
        ConsentInvalid: ``MALFORMED``; no notice of ours, or none in that language.
    """
    known = grant.notice.lang in set(Language) and grant.notice.uri in (NOTICE_URI, GUARDIAN_NOTICE_URI)
    if not known:
        raise malformed("the grant names a notice that this version cannot write")
    return WORDS[Language(grant.notice.lang)]


def grantee_in_words(grant: ConsentGrant, words: Words) -> str:
    """Who may use the grant.

    Raises:
        ConsentInvalid: ``MALFORMED``; the name could read as something else.
    """
    if grant.grantee == ANYONE:
        return words.anyone
    if grant.grantee == grant.cnf.jkt:
        return words.herself_in_care if grant.notice.uri == GUARDIAN_NOTICE_URI else words.herself
    named = name_in_words(grant.grantee, words)
    return f"{words.key} {named}" if _KEY.match(grant.grantee) else named


def name_in_words(name: str, words: Words) -> str:
    """A name in quotation marks; letters that could be taken for others are spelled out after it.

    Raises:
        ConsentInvalid: ``MALFORMED``; it could read as something else.
    """
    if not is_plain(name):
        raise malformed("a name holds a character that cannot be seen, or a quotation mark")
    if name.isascii():
        return words.quote(name)
    return f"{words.quote(name)} ({words.spelled} {name.encode('ascii', 'backslashreplace').decode('ascii')})"


def moment(seconds: int) -> str:
    """A time as people read it.

    Raises:
        ConsentInvalid: ``MALFORMED``; beyond the year 9999.
    """
    return utc(seconds).strftime("%Y-%m-%d %H:%M UTC")


def utc(seconds: int) -> datetime:
    """A time since 1970 as a date, UTC.

    Raises:
        ConsentInvalid: ``MALFORMED``; beyond the year 9999.
    """
    if seconds > _LAST_MOMENT:
        raise malformed("a time beyond the year 9999")
    return datetime.fromtimestamp(seconds, UTC)


def _line(label: str, value: str) -> str:
    return f"{label}: {value}"


def is_plain(name: str) -> bool:
    """Whether a name shows what it is: no control, direction mark, blank letter, enclosing mark or quote."""
    return (
        name.isprintable()
        and name == " ".join(name.split())
        and not _BLANKS.intersection(name)
        and not _QUOTES.intersection(name)
        and all(unicodedata.category(letter) != "Me" for letter in name)
        and unicodedata.is_normalized("NFC", name)
    )
