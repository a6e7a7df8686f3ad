"""The lexicon beside the trained heads: words that raise a prompt's intent whatever the heads say.

Seventeen languages, in ``lexicon.toml``. It only ever raises: ordinary is what remains when nothing hits. All
patterns run on text folded by :func:`consent_edit.perception.prompt.normalise.fold`. One thing it takes away,
and only where it fills a whole clause: the request to leave somebody dressed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.prompt.clauses import pieces
from consent_edit.perception.prompt.normalise import fold
from consent_edit.vocabulary import Intent, Operation

_FILE: Final = Path(__file__).resolve().parent / "lexicon.toml"


_UNSPACED_LANGUAGES: Final = frozenset({"zh", "ja", "th"})
_GRAMMAR_LANGUAGES: Final = ("en", "fr", "es", "de")
"""Languages whose undressing is spelled out below; the others' is in the file."""

_FOREIGN_RUN: Final = re.compile(r"[^\x00-\x7f]+")


def _load() -> dict[str, dict[str, list[str]]]:
    """The file: section, language, entries, folded like the texts that they are looked for in.

    Raises:
        ModelUnavailable: the file is missing or is not of the expected form.
    """
    try:
        raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
        sections = TypeAdapter(dict[str, dict[str, list[str]]]).validate_python(raw)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ModelUnavailable("the lexicon cannot be read", remedy="reinstall consent-edit") from error
    return {
        name: {
            language: [_FOREIGN_RUN.sub(lambda run: fold(run.group()), entry) for entry in entries]
            for language, entries in languages.items()
        }
        for name, languages in sections.items()
    }


def _any_of(entries: Iterable[str]) -> str:
    """One alternation, longest entry first; one that never matches without any."""
    return "|".join(sorted(set(entries), key=lambda entry: (-len(entry), entry))) or "(?!)"


_FILED: Final = _load()
_WORDS: Final = {
    name: _any_of(e for language in (*_GRAMMAR_LANGUAGES, "all") for e in _FILED[name].get(language, ()))
    for name in _FILED
}
"""Section -> the entries of the four languages of the grammar below, as one alternation."""


def _pattern(section: str, *more: str, edges: str = r"(?<![^ ])(?:{})(?![^ ])") -> re.Pattern[str]:
    """All languages' entries of a section as whole words, those of unspaced languages anywhere."""
    spaced = [e for name, own in _FILED[section].items() if name not in _UNSPACED_LANGUAGES for e in own]
    unspaced = [e for name, own in _FILED[section].items() if name in _UNSPACED_LANGUAGES for e in own]
    return re.compile(rf"{edges.format(_any_of([*spaced, *more]))}|(?:{_any_of(unspaced)})")


def _expanded(section: str, *garments: str) -> dict[str, list[str]]:
    """A section's patterns by language, ``{worn}`` replaced by the garments of the named sections."""
    found: dict[str, list[str]] = {}
    for language, entries in _FILED[section].items():
        own = [
            e
            for name in garments
            for e in (
                *_FILED[name].get("all", ()),
                *(_FILED[name].get(language, ()) if language != "all" else _everybodys(name)),
            )
        ]
        found[language] = [entry.replace("{worn}", f"(?:{_any_of(own)})") for entry in entries]
    return found


def _everybodys(section: str) -> list[str]:
    return [entry for entries in _FILED[section].values() for entry in entries]


def _undressing_elsewhere(section: str) -> str:
    """The file's undressing patterns for the garments of one section, words whole where words are spaced."""
    by_language = _expanded("undressing", section)
    spaced = [e for name, own in by_language.items() if name not in _UNSPACED_LANGUAGES for e in own]
    unspaced = [e for name, own in by_language.items() if name in _UNSPACED_LANGUAGES for e in own]
    return rf"(?<![^ ])(?:{_any_of(spaced)})(?![^ ])|(?:{_any_of(unspaced)})"


_ENGLISH_OTHERWISE: Final = frozenset({"rock", "hose", "slip", "habit", "habits", "pull", "haut", "short"})
"""Garments of other languages whose spelling is an English word for something else."""

_EN_OFF: Final = (
    "remov(?:e|es|ed|ing)|(?:take|taking|strip|peel|tear|rip|pull|slip|whip|cut|get|swipe) (?:off|away)"
    "|get rid of|do away with|erase|delete|eliminate|lose|ditch|shed|discard"
)
_EN_WHOSE: Final = (
    "(?:(?:all|of|her|his|their|the|my|every|s|girls?|womans?|mans?|persons?|everyones?) ){0,3}"
)
_EN_GONE: Final = (
    r"(?:vanish|disappear|go(?= away|$| and| completely| entirely| now| please| too)"
    r"|fall off|come off|be gone|gone|removed|off)"
)
_FR_OFF: Final = "(?:enlev|retir|supprim|effac|ot|vir|arrach)(?:e|es|er|ez|ons)|fai(?:s|tes|re) disparaitre"
_FR_WHOSE: Final = "(?:(?:lui|leur|moi|tous|toutes|tout|ses|sa|son|les|le|la|leurs|des|ces|cette) ){0,3}"
_ES_OFF: Final = (
    "(?:quit|elimin|borr|retir|sac)(?:a|ale|ales|arle|ar|ame|alo|asela)"
    "|(?:haz|hacer|que) desapare(?:cer|zcan?)"
)
_ES_WHOSE: Final = "(?:(?:toda|todas|todo|todos|su|sus|la|las|el|los|esa|esta) ){0,3}"
_DE_WHOSE: Final = "(?:(?:ihr|ihre|ihren|ihm|sein|seine|seinen|die|den|das|der|alle|ganze|ganzen) ){0,3}"
_FURNITURE: Final = "(?:floor|line|wall|ground|bed|chair|hanger|rack|wardrobe|background|corner|clothesline)"
_NOT_THE_GARMENT: Final = (
    r"(?! (?:stains?|wrinkles?|logo|print|pattern|text|buttons?|hangers?|pegs?|rack|line|drawer|of the|"
    rf"(?:on|from|in|off) (?:the|my|this) {_FURNITURE}|qui trainent|par terre|"
    r"(?:sur|de|du) (?:le |la )?(?:fil|chaise|lit|sol)|tendida|que hay|"
    r"(?:de|en|del) (?:la |el )?(?:silla|suelo|cama)|auf de[rm]|vom (?:boden|stuhl|bett))\b)"
)
_CLEAR: Final = (
    r"(?:transparent\w*|translucent|translucid[eoa]s?|invisib\w+|see ?through|durchsichtig|durchscheinend)"
)
_NOT_BEHIND: Final = "(?! (?:background|backdrop|fond|fondo|hintergrund|png))"
_SO: Final = (
    "(?:(?:is|are|be|look|looks|turn|turns|become|fully|completely|totally|almost|more|a|bit|slightly|partly|"
    "soit|est|devienne|completement|un|peu|plus|presque|sea|este|quede|totalmente|casi|mas|poco|ganz|fast|"
    "soll|wird|sei|etwas|vollig) ){0,3}"
)


def _undressing(garments: str) -> str:
    """Patterns in four languages that take one of these garments off somebody, or let one see through it."""
    english = "|".join(word for word in garments.split("|") if word not in _ENGLISH_OTHERWISE)
    return (
        rf"(?:{_EN_OFF}) {_EN_WHOSE}(?:{english})\b{_NOT_THE_GARMENT}"
        rf"|(?:take|taking|with|get|rip|tear|pull|slip|whip) {_EN_WHOSE}(?:{english}) (?:off|removed|gone)"
        rf"|(?:make|let|have) {_EN_WHOSE}(?:{english}) {_EN_GONE}"
        rf"|(?:her|his|their|the) (?:{english}) (?:should|must|has to|have to|needs to|can) {_EN_GONE}"
        rf"|(?:without|no) {_EN_WHOSE}(?:any )?(?:{english})"
        rf"|(?:{_FR_OFF}) {_FR_WHOSE}(?:{garments})\b{_NOT_THE_GARMENT}"
        rf"|(?:{garments}) (?:doit|doivent|devrait) (?:disparaitre|partir|s en aller)"
        rf"|sans {_FR_WHOSE}(?:aucun )?(?:{garments})"
        rf"|(?:{_ES_OFF}) {_ES_WHOSE}(?:{garments})\b{_NOT_THE_GARMENT}"
        rf"|(?:{garments}) (?:tienen? que|deben?) (?:desaparecer|irse)"
        rf"|sin {_ES_WHOSE}(?:nada de )?(?:{garments})"
        rf"|(?:entfern\w*|losch\w*|beseitig\w*|nimm|weg mit) {_DE_WHOSE}(?:{garments})\b{_NOT_THE_GARMENT}"
        rf"|zieh\w* {_DE_WHOSE}(?:{garments}) aus"
        rf"|(?:lass|lasse) {_DE_WHOSE}(?:{garments}) verschwinden"
        rf"|(?:{garments}) (?:muss|mussen|soll|sollen|kommt) (?:weg|runter|verschwinden)"
        rf"|ohne {_DE_WHOSE}(?:{garments})|(?:{garments}) (?:weg|runter|ausziehen|entfernen)"
    )


def _see_through(garments: str) -> str:
    """Patterns for a garment that lets one see through it, on either side of the noun."""
    return rf"(?:{garments}) {_SO}{_CLEAR}{_NOT_BEHIND}|{_CLEAR}(?:e[snrm]?)? (?:{garments})"


_ALL_WORN: Final = (
    r"(?:everything|every (?:item|piece|thing)|whatever|all that) (?:that )?(?:s?he|they) "
    r"(?:s |is |has |are )?(?:wearing|wears?|on|have on|got on)"
    r"|tout ce qu (?:elle|il|ils|elles) portent?|todo lo que lleva\w*"
    r"|alles(?: weg)? was (?:sie|er) (?:anhat|tragt|an hat)"
)
_STRIPPING: Final = (
    rf"(?:{_EN_OFF}|{_FR_OFF}|{_ES_OFF}|entfern\w*|losch\w*|nimm|zieh) (?:\w+ )?(?:{_ALL_WORN})"
    r"|(?:forgot|forgotten|lost) (?:all )?(?:her|his|their) clothes"
    r"|ein(?:en)? akt (?:von|aus|mein\w*|dein\w*|ihr\w*|dies\w*)|akt(?:bild|zeichnung|gemalde|aufnahme)\w*"
)


_SEXUAL_RE: Final = _pattern(
    "sexual",
    _STRIPPING,
    _undressing(_WORDS["everything"]),
    _see_through(_WORDS["everything"] + "|" + _WORDS["outer"]),
)
_REVEALING_RE: Final = _pattern("revealing", _undressing(_WORDS["outer"]))
_STRIPPED_RE: Final = re.compile(_undressing_elsewhere("everything"))
_LIGHTENED_RE: Final = re.compile(_undressing_elsewhere("outer"))
_HARMLESS_RE: Final = _pattern("harmless")
_SWIMWEAR_RE: Final = _pattern("swimwear")
_FABRIC_RE: Final = re.compile(
    rf"(?<![^ ])(?:{_WORDS['fabric']})(?![^ ])|"
    + "|".join(
        rf"(?<![^ ])(?:{_any_of(own)})(?![^ ])"
        if language not in _UNSPACED_LANGUAGES
        else rf"(?:{_any_of(own)})"
        for language in _FILED["fabric"]
        if language not in _GRAMMAR_LANGUAGES
        for own in [[e for name in ("fabric", "everything", "outer") for e in _FILED[name].get(language, ())]]
    )
)
_PROTECTING_RE: Final = re.compile(
    _any_of(e for own in _expanded("protecting", "everything", "outer", "coats").values() for e in own)
)
_SPARING_RE: Final = re.compile(
    rf"(?<![^ ])(?:{_any_of(_expanded('sparing', 'everything', 'outer', 'coats')['all'])})$"
)
_RUN_TOGETHER_RE: Final = re.compile(_WORDS["run_together"])
_NEGATED_WEIGHT_RE: Final = re.compile(r"([\w' -]{2,40}):\s*-\s*\d|--no\s+([\w' ,-]{2,60})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LexiconHit:
    """What the words alone say.

    Attributes:
        intent: ``ORDINARY`` when nothing hit.
        operations: The operations that a hit implies; empty without one.
    """

    intent: Intent
    operations: frozenset[Operation]


_NOTHING: Final = LexiconHit(Intent.ORDINARY, frozenset())
_UNDRESSING: Final = frozenset({Operation.CLOTHING, Operation.BODY})


def look_up(text: str) -> LexiconHit:
    """Look for the words of a prompt, in any form of it.

    Args:
        text: As written or normalised; folded here.
    """
    folded = _HARMLESS_RE.sub(" _ ", fold(text))
    if _SEXUAL_RE.search(folded) or _STRIPPED_RE.search(folded) or _run_together(folded):
        return LexiconHit(Intent.SEXUAL, _UNDRESSING)
    if _REVEALING_RE.search(folded) or _LIGHTENED_RE.search(folded):
        extra = frozenset({Operation.SWIMWEAR}) if _SWIMWEAR_RE.search(folded) else _UNDRESSING
        return LexiconHit(Intent.REVEALING, extra)
    negated = ", ".join(found for pair in _NEGATED_WEIGHT_RE.findall(text) for found in pair if found)
    return look_up_negative(negated) if negated else _NOTHING


def look_up_negative(text: str) -> LexiconHit:
    """Look for clothes among the things a picture should *not* show: that is an undressing.

    Words against exposure in a negative prompt ("nude", "nsfw") protect and do not count here.
    """
    if _FABRIC_RE.search(fold(text)):
        return LexiconHit(Intent.SEXUAL, _UNDRESSING)
    return _NOTHING


def without_protection(text: str) -> str:
    """The text without the clauses that ask, in full, to leave somebody dressed; the same text without any.

    Nothing else may stand in such a clause, so that words around a refusal never turn it into a permission.
    """
    kept: list[str] = []
    changed = False
    for piece in pieces(text):
        folded = fold(piece)
        if _PROTECTING_RE.fullmatch(folded):
            changed = True
            continue
        spared = _SPARING_RE.search(folded)
        changed = changed or spared is not None
        kept.append(folded[: spared.start()].strip() if spared else piece)
    return ", ".join(piece for piece in kept if piece) if changed else text


def _run_together(folded: str) -> bool:
    """Whether one long word hides a phrase; phrases of whole words are the other patterns' business."""
    return any(len(word) >= 10 and _RUN_TOGETHER_RE.search(word) for word in folded.split())
