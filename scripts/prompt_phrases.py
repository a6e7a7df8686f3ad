"""The phrases that the prompt reader's heads are trained on: read, expanded, filled with names, varied.

Names and everyday words come from Faker (a development dependency); none of them is kept in a file.
"""

from __future__ import annotations

import importlib
import itertools
import json
import random
import re
import unicodedata
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from faker import Faker

from consent_edit.perception.prompt.language import LANGUAGES
from consent_edit.perception.prompt.normalise import normalise

DATA = Path(__file__).resolve().parent / "data"
SEED = 20260
EXPANSIONS = 12
SENTENCES = 500
FIRST = (
    "Jordan",
    "Mira",
    "Tobias",
    "Elena",
    "Hugo",
    "Nadia",
    "Oskar",
    "Lucia",
    "Rafael",
    "Ingrid",
    "Samir",
    "Chloé",
    "Mateo",
    "Greta",
    "Amara",
    "Felix",
    "Noemi",
    "Björn",
    "Priya",
    "Kwame",
    "Camille",
    "Ana",
    "Dmitri",
    "Yuki",
    "Leila",
    "Ronan",
    "Paola",
    "Emil",
    "Zoe",
    "Carlos",
    "Hanna",
    "Louis",
    "Sofia",
    "Peter",
    "Marie",
    "John",
    "Emma",
    "Juan",
    "Anna",
)
LAST = (
    "Example",
    "Sample",
    "Testermann",
    "Placeholder",
    "Beispiel",
    "Muster",
    "Ejemplo",
    "Modelo",
    "Exemple",
    "Quelconque",
    "Marlowe",
    "Vasquez",
    "Brandt",
    "Lindqvist",
    "Okafor",
    "Moreau",
    "Castellano",
    "Novak",
    "Takeda",
    "Rahman",
    "Pellegrini",
    "Duval",
    "Ferrand",
    "Hollister",
    "Krüger",
    "Zamora",
    "Whitfield",
    "Delgado",
    "Schreiber",
    "Roux",
)
LOCALES = {
    "en": "en_US", "fr": "fr_FR", "es": "es_ES", "de": "de_DE", "it": "it_IT", "pt": "pt_BR", "nl": "nl_NL",
    "pl": "pl_PL", "ru": "ru_RU", "tr": "tr_TR", "ar": "ar_AA", "zh": "zh_CN", "ja": "ja_JP", "ko": "ko_KR",
    "th": "th_TH", "hi": "hi_IN",
    "vi": "vi_VN",
}  # fmt: skip
WORDS = {
    "en": "en_US", "fr": "fr_FR", "es": "es_ES", "de": "de_DE", "it": "it_IT", "nl": "nl_NL", "pl": "pl_PL",
    "ru": "ru_RU", "ar": "ar_AA", "vi": "vi_VN",
}  # fmt: skip
FAMILIES = (
    "prompts_families.jsonl",
    "prompts_more_romance.jsonl",
    "prompts_more_north.jsonl",
    "prompts_more_south.jsonl",
    "prompts_more_east.jsonl",
    "prompts_wide_en.jsonl",
    "prompts_wide_romance.jsonl",
    "prompts_wide_north.jsonl",
    "prompts_wide_south.jsonl",
    "prompts_wide_east.jsonl",
    "prompts_judged.jsonl",
    "prompts_everyday_west.jsonl",
    "prompts_everyday_middle.jsonl",
    "prompts_everyday_south.jsonl",
    "prompts_everyday_east.jsonl",
    "prompts_fresh_west.jsonl",
    "prompts_fresh_east.jsonl",
    "prompts_pairs.jsonl",
)
"""Files of several languages, each row with its own."""

OTHER_WORDS = ("cs_CZ", "da_DK", "fa_IR", "la", "mk_MK", "tl_PH", "uk_UA", "az_AZ")
UNCASED = {"ar", "zh", "ja", "ko", "th", "hi"}


@dataclass(frozen=True)
class Phrase:
    """One training text; ``label`` counts only where ``for_intent`` is set."""

    text: str
    language: str
    group: str
    label: str
    operations: tuple[str, ...]
    named: bool
    for_intent: bool


def expand(pattern: str, rng: random.Random) -> list[str]:
    """The texts that ``[a|b]`` alternatives stand for: ``EXPANSIONS``, or as many as the longest list."""
    parts = [part.split("|") for part in re.split(r"\[([^\]]*)\]", pattern)]
    for index in range(0, len(parts), 2):
        parts[index] = ["|".join(parts[index])]
    texts = ["".join(choice) for choice in itertools.product(*parts)]
    texts = [re.sub(r" +([,.])", r"\1", " ".join(text.replace(" -", "-").split())) for text in texts]
    most = max(EXPANSIONS, *(len(part) for part in parts))
    return texts if len(texts) <= most else rng.sample(texts, most)


def load_phrases() -> list[Phrase]:
    """All phrases of scripts/data/prompts_*.jsonl, expanded, and names in their templates."""
    rng = random.Random(SEED)
    phrases: list[Phrase] = []
    for language in LANGUAGES:
        for row in rows(f"prompts_{language}.jsonl"):
            for text in (t for pattern in row["phrases"] for t in expand(pattern, rng)):
                ops = tuple(row["operations"])
                phrases.append(Phrase(text, language, row["group"], row["label"], ops, False, True))
    for name in FAMILIES:
        for row in rows(name):
            for text in (t for pattern in row["phrases"] for t in expand(pattern, rng)):
                ops, own = tuple(row["operations"]), row["language"]
                phrases.append(Phrase(text, own, row["group"], row["label"], ops, False, True))
                if own not in LANGUAGES:  # what is meant can be learned; that it is known, it is not
                    phrases.append(Phrase(text, "other", row["group"], "", (), False, False))
    for name in ("prompts_free.jsonl", "prompts_free_more.jsonl"):
        for row in rows(name):
            phrases += [
                Phrase(text, row["language"], row["group"], row["label"], (), False, True)
                for pattern in row["phrases"]
                for text in expand(pattern, rng)
            ]
    phrases += named_phrases(rng)
    for name in ("prompts_other.jsonl", "prompts_other_scripts.jsonl", "prompts_romanised.jsonl"):
        for row in rows(name):
            if row["language"] not in LANGUAGES:
                phrases += [Phrase(t, "other", row["group"], "", (), False, False) for t in row["phrases"]]
    return list({(p.text, p.language): p for p in phrases}.values())


def named_phrases(rng: random.Random) -> list[Phrase]:
    """Templates filled with made-up names, in the script of their language."""
    fakers = {language: Faker(locale) for language, locale in LOCALES.items()}
    for number, language in enumerate(fakers):
        fakers[language].seed_instance(SEED + number)
    found: list[Phrase] = []
    for row in [*rows("prompts_names.jsonl"), *rows("prompts_names_more.jsonl")]:
        language = row["language"]
        for text in (t for pattern in row["phrases"] for t in expand(pattern, rng)):
            for turn in range(6 if row["named"] else 1):
                own = language in UNCASED or turn % 2
                name, first, last = made_up(fakers[language], rng) if own else western(rng)
                filled = text.format(name=name, first=first, last=last) if row["named"] else text
                found.append(Phrase(filled, language, row["group"], "ordinary", (), row["named"], True))
    return found


def made_up(fake: Faker, rng: random.Random) -> tuple[str, str, str]:
    """A full name, a first and a last one, in the writing of the faker's locale."""
    first, last = fake.first_name(), fake.last_name()
    locale = fake.locales[0]
    if locale in {"zh_CN", "ko_KR"}:
        return last + first, first, last
    if locale == "ja_JP":
        return last + rng.choice(["", " "]) + first, first, last
    if locale == "vi_VN":
        return f"{last} {first}", first, last
    return f"{first} {last}", first, last


def western(rng: random.Random) -> tuple[str, str, str]:
    """A full name, a first and a last one from the lists above."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return f"{first} {last}", first, last


def everyday_words(locale: str) -> list[str]:
    """Everyday words of a locale, as Faker has them."""
    provider = importlib.import_module(f"faker.providers.lorem.{locale}").Provider
    return sorted({normalise(word) for word in provider.word_list})


def sentences(locale: str) -> list[str]:
    """Random rows of three to eight everyday words."""
    rng, words = random.Random(f"{SEED}:{locale}"), everyday_words(locale)
    return [" ".join(rng.choice(words) for _ in range(rng.randint(3, 8))) for _ in range(SENTENCES)]


def rows(name: str) -> list[dict]:  # type: ignore[type-arg]
    """The lines of a data file; none if there is no such file."""
    path = DATA / name
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def is_aside(group: str) -> bool:
    """Whether a phrase group is in the third kept aside; the same in every language."""
    return zlib.crc32(f"{SEED}:{group}".encode()) % 3 == 0


def variants(phrases: list[Phrase]) -> list[Phrase]:
    """The phrases as people type them: as written, normalised, without accents, with a full stop."""
    made = list(phrases)
    for p in phrases:
        rng = random.Random(f"{SEED}:{p.text}")  # of its own, so that a subset has the same variants
        made.append(replace(p, text=normalise(p.text)))
        bare = "".join(c for c in unicodedata.normalize("NFD", p.text) if not unicodedata.combining(c))
        if bare != p.text and bare.isascii() and rng.random() < 0.5:
            made.append(replace(p, text=bare))
        if rng.random() < 0.15:
            end = rng.choice("。！" if p.language in {"zh", "ja"} else ".!")
            made.append(replace(p, text=p.text[:1].upper() + p.text[1:] + end))
    return list({(p.text, p.language, p.group): p for p in made}.values())
