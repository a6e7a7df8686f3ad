"""Limits on policy text, applied before any parser sees it.

Deep or long expressions crash the parser's process: with an 8 MiB stack, a chain of some thousand operators
does, and so do a thousand brackets, well inside 4 KiB. So a small scanner, which is not recursive, measures
first: bytes, brackets and operators. What it lets through is at most 256 levels deep, however it is parsed.
"""

from __future__ import annotations

import re
from typing import Final

from consent_edit.errors import PolicyInvalid

MAX_FILE_BYTES: Final = 64 * 1024
MAX_POLICY_BYTES: Final = 4 * 1024
MAX_NESTING: Final = 64
MAX_OPERATORS: Final = 256

_TOKEN: Final = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<comment>//[^\r\n]*)"
    r"|(?P<space>\s+)"
    r"|(?P<open>[(\[{])"
    r"|(?P<close>[)\]}])"
    r"|(?P<end>;)"
    r"|(?P<operator>&&|\|\||::|[=!<>]=|[-+*.!<>]|\b(?:if|has|in|is|like)\b)"
    r"|(?P<word>\w+)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}


def _invalid(message: str, remedy: str = "split the rule into smaller ones") -> PolicyInvalid:
    return PolicyInvalid(message, remedy=remedy)


def check_limits(text: str) -> int:
    """Measure policy text without parsing it.

    Args:
        text: Cedar policies.

    Returns:
        How many policies the text holds.

    Raises:
        PolicyInvalid: over 64 KiB in all or 4 KiB a policy, brackets nested over 64 deep or not closed, over
            256 operators and brackets in one policy, a quote never closed, or a policy without its ``;``.
    """
    if len(text.encode("utf-8", errors="surrogatepass")) > MAX_FILE_BYTES:
        raise _invalid(f"policy text is over {MAX_FILE_BYTES} bytes")
    policies, depth, operators, start = 0, 0, 0, -1
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind in ("comment", "space"):
            continue
        start = token.start() if start < 0 else start
        if kind == "other" and token.group() == '"':
            raise _invalid("a quote is never closed", "close the quote")
        depth += {"open": 1, "close": -1}.get(str(kind), 0)
        operators += kind in ("open", "operator")
        if depth < 0:
            raise _invalid("a bracket closes that was never opened", "open the bracket, or take this one out")
        if depth > MAX_NESTING:
            raise _invalid(f"brackets nest over {MAX_NESTING} deep")
        if operators > MAX_OPERATORS:
            raise _invalid(f"a policy has over {MAX_OPERATORS} operators and brackets")
        if kind == "end":
            if depth:
                raise _invalid("a policy ends inside a bracket", "close the bracket")
            if len(text[start : token.end()].encode("utf-8", errors="surrogatepass")) > MAX_POLICY_BYTES:
                raise _invalid(f"a policy is over {MAX_POLICY_BYTES} bytes")
            policies, operators, start = policies + 1, 0, -1
    if start >= 0:
        raise _invalid("the last policy does not end in a semicolon", "end it with a semicolon")
    return policies


def unmatched_bracket(text: str) -> tuple[int, str] | None:
    """Where a bracket stands that has no counterpart, and what to do about it; none where each has one.

    Behind a quote that is never closed nobody can tell.
    """
    tokens = tuple(_TOKEN.finditer(text))
    if any(token.group() == '"' for token in tokens):
        return None
    brackets = [token for token in tokens if token.lastgroup in ("open", "close")]
    too_many_close = 2 * sum(token.lastgroup == "close" for token in brackets) > len(brackets)
    opened: list[re.Match[str]] = []
    for token in brackets:
        if token.lastgroup == "open":
            opened.append(token)
        elif not opened or (too_many_close and _PAIRS[opened[-1].group()] != token.group()):
            return token.start(), f"take the bracket {token.group()} out, or open one for it"
        elif _PAIRS[(last := opened.pop()).group()] != token.group():
            return _never_closed(last)
    return _never_closed(opened[-1]) if opened else None


def _never_closed(bracket: re.Match[str]) -> tuple[int, str]:
    return bracket.start(), f"close the bracket {bracket.group()} with {_PAIRS[bracket.group()]}"
