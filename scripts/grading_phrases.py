"""Phrases for the colour-grading editor: groups from scripts/data, spread into variants and decoys."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
LANGUAGES = ("en", "fr", "es", "de")
# Slots ("make it {d}brighter"), suffixes for phrases without one, polite forms and joiners, by language.
SLOTS = {
    "en": ("slightly ", "a bit ", "much ", "a lot "),
    "fr": ("légèrement ", "un peu ", "beaucoup ", "bien "),
    "es": ("ligeramente ", "un poco ", "mucho ", "bastante "),
    "de": ("leicht ", "etwas ", "viel ", "deutlich "),
}
SUFFIXES = {
    "en": (", just a little", ", a lot"),
    "fr": (", juste un peu", ", fortement"),
    "es": (", solo un poco", ", mucho"),
    "de": (", nur ein wenig", ", und zwar stark"),
}
POLITE = {
    "en": ("please {}", "{}, please", "can you {}?"),
    "fr": ("s'il te plaît, {}", "{} stp", "peux-tu faire ceci : {}"),
    "es": ("por favor, {}", "{}, por favor", "¿puedes? {}"),
    "de": ("bitte: {}", "{}, bitte", "kannst du das: {}?"),
}
JOINERS = {
    "en": (" and ", ", but "),
    "fr": (" et ", ", mais "),
    "es": (" y ", ", pero "),
    "de": (" und ", ", aber "),
}
SLIGHT, NORMAL, STRONG = 0.5, 1.0, 1.7
# Pairs that make sense together: one of the left, one of the right, in either order.
PAIRS = (
    (("brighter", "darker"), ("warmer", "cooler", "contrast_up", "contrast_down", "saturated", "muted")),
    (("warmer", "cooler"), ("contrast_up", "contrast_down", "muted", "saturated", "fade", "lift_shadows")),
    (("black_and_white",), ("contrast_up", "contrast_down", "brighter", "darker", "dramatic")),
    (("saturated", "muted"), ("contrast_up", "contrast_down", "lift_shadows", "recover_highlights")),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A sentence with the looks it asks for (none: something this editor does not do) and how strongly."""

    text: str
    language: str
    looks: tuple[str, ...]
    degree: float
    bare: bool
    group: str


def load_groups() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Phrase groups for training and those kept aside: every third of each look, by its place in the file."""
    train, held = [], []
    for name in ("grading_phrases.jsonl", "grading_phrases_other.jsonl"):
        for line in (DATA / name).read_text(encoding="utf-8").splitlines():
            group = json.loads(line)
            (held if int(group["group"].rsplit("-", 1)[1]) % 3 == 0 else train).append(group)
    return train, held


def variants(group: dict[str, str]) -> list[Ask]:
    """The bare phrase in each language, with degrees, polite forms and other casing."""
    looks, name = () if group["look"] == "other" else (group["look"],), group["group"]
    out = []
    for language in LANGUAGES:
        phrase = group[language]
        bare = phrase.replace("{d}", "")
        out.append(Ask(bare, language, looks, NORMAL, True, name))
        out.append(Ask(bare[0].upper() + bare[1:] + ".", language, looks, NORMAL, False, name))
        out += [Ask(form.format(bare), language, looks, NORMAL, False, name) for form in POLITE[language]]
        graded = (
            [phrase.replace("{d}", word) for word in SLOTS[language]]
            if "{d}" in phrase
            else [bare + suffix for suffix in SUFFIXES[language]]
        )
        for place, text in enumerate(graded):
            out.append(Ask(text, language, looks, SLIGHT if place < len(graded) / 2 else STRONG, False, name))
    return out


def compounds(groups: list[dict[str, str]], count: int, dice: random.Random) -> list[Ask]:
    """Two looks in one sentence; one in five has something this editor does not do for its second half."""
    by_look: dict[str, list[dict[str, str]]] = {}
    for group in groups:
        by_look.setdefault(group["look"], []).append(group)
    out = []
    for _ in range(count):
        lefts, rights = dice.choice(PAIRS)
        pair = [dice.choice(lefts), "other" if dice.random() < 0.2 else dice.choice(rights)]
        dice.shuffle(pair)
        language = dice.choice(LANGUAGES)
        halves = [dice.choice(by_look[look]) for look in pair]
        text = dice.choice(JOINERS[language]).join(half[language].replace("{d}", "") for half in halves)
        looks = () if "other" in pair else tuple(pair)
        out.append(Ask(text, language, looks, NORMAL, False, halves[0]["group"]))
    return out


def parts_of_pictures(held: list[dict[str, str]]) -> list[Ask]:
    """Asks to recolour or relight one thing in the picture: always something else.

    A thing named in a phrase kept aside is left out.
    """
    lines = (DATA / "grading_parts.jsonl").read_text(encoding="utf-8").splitlines()
    spec = {row["language"]: row for row in map(json.loads, lines)}
    out = []
    for language in LANGUAGES:
        kept_aside = " ".join(group[language] for group in held).casefold()
        for thing in spec[language]["things"]:
            if thing.split()[-1].casefold() in kept_aside:
                continue
            for verb in spec[language]["verbs"]:
                text = verb.format(thing=thing)
                out.append(Ask(text, language, (), NORMAL, False, f"parts-{verb}"))
    return out


def noise_sentences(count: int, dice: random.Random) -> list[Ask]:
    """Letters and scripts that mean nothing to the encoder: always something else."""
    alphabets = (
        "abcdefghijklmnopqrstuvwxyz",
        "अआइईउकखगघचजटडतदनपबमयरलवसह",
        "0123456789.,!?",
        "აბგდევზთიკლმნოპ",
    )
    out = []
    for _ in range(count):
        letters = dice.choice(alphabets)
        words = ("".join(dice.choices(letters, k=dice.randint(2, 9))) for _ in range(dice.randint(1, 7)))
        out.append(Ask(" ".join(words), "none", (), NORMAL, False, f"noise-{len(out)}"))
    return out
