"""Train the prompt reader's heads: minutes on one CPU core, seeded, from the phrases in scripts/data.

First a third of the phrase groups (the same groups in every language) is kept aside and the figures on it are
printed as JSON; then the heads are trained on everything and written. The tests' held-out file is never read.

    python scripts/train_prompt_head.py [--out consent_edit/perception/weights/prompt_heads.npz]
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import re
import sys
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.heads import OPERATION_ORDER, PromptHeads, name_signs
from consent_edit.perception.language import LANGUAGES, ngram_features, word_hash, words_of
from consent_edit.perception.normalise import normalise
from consent_edit.perception.sentences import SentenceEncoder
from consent_edit.vocabulary import Intent, Operation

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "scripts" / "data"
OUT = ROOT / "consent_edit" / "perception" / "weights" / "prompt_heads.npz"
SEED = 20260
EXPANSIONS = 12
EMBEDDING_SCALE = 3.0
LETTER_SCALE = 3.0
"""How much the two kinds of features count before the penalty; letters beside the embedding raised the area
under the curve over the three folds of phrase groups from .92 to .945."""
FIRST = [
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
]
LAST = [
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
]


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
    """All phrases of scripts/data/prompts_*.jsonl, expanded."""
    rng = random.Random(SEED)
    phrases: list[Phrase] = []
    for language in LANGUAGES:
        for row in _rows(f"prompts_{language}.jsonl"):
            for text in (t for pattern in row["phrases"] for t in expand(pattern, rng)):
                ops = tuple(row["operations"])
                phrases.append(Phrase(text, language, row["group"], row["label"], ops, False, True))
    for row in _rows("prompts_families.jsonl"):
        for text in (t for pattern in row["phrases"] for t in expand(pattern, rng)):
            ops = tuple(row["operations"])
            phrases.append(Phrase(text, row["language"], row["group"], row["label"], ops, False, True))
    for row in _rows("prompts_free.jsonl"):
        phrases += [
            Phrase(t, row["language"], row["group"], row["label"], (), False, True) for t in row["phrases"]
        ]
    for row in _rows("prompts_names.jsonl"):
        for text in (t for pattern in row["phrases"] for t in expand(pattern, rng)):
            for _ in range(5 if row["named"] else 1):
                filled = text.format(
                    name=f"{rng.choice(FIRST)} {rng.choice(LAST)}",
                    first=rng.choice(FIRST),
                    last=rng.choice(LAST),
                )
                phrases.append(
                    Phrase(filled, row["language"], row["group"], "ordinary", (), row["named"], True)
                )
    for row in _rows("prompts_other.jsonl"):
        phrases += [Phrase(text, "other", row["group"], "", (), False, False) for text in row["phrases"]]
    return phrases


def _rows(name: str) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def is_aside(group: str) -> bool:
    """Whether a phrase group is in the third kept aside; the same in every language."""
    return zlib.crc32(f"{SEED}:{group}".encode()) % 3 == 0


def variants(phrases: list[Phrase]) -> list[Phrase]:
    """The phrases as people type them: as written, normalised, without accents, with a full stop."""
    made = list(phrases)
    for p in phrases:
        rng = random.Random(f"{SEED}:{p.text}")  # of its own, so that a subset has the same variants
        made.append(_with(p, normalise(p.text)))
        bare = "".join(c for c in unicodedata.normalize("NFD", p.text) if not unicodedata.combining(c))
        if bare != p.text and rng.random() < 0.5:
            made.append(_with(p, bare))
        if rng.random() < 0.15:
            made.append(_with(p, p.text[:1].upper() + p.text[1:] + rng.choice([".", "!", " please", ""])))
    return list({(p.text, p.language, p.group): p for p in made}.values())


def _with(p: Phrase, text: str) -> Phrase:
    return Phrase(text, p.language, p.group, p.label, p.operations, p.named, p.for_intent)


def fit_logistic(
    rows: NDArray[np.float64], target: NDArray[np.float64], l2: float, weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """L2 logistic regression by Newton's method; returns weights with the bias last."""
    x = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    w = np.zeros(x.shape[1])
    ridge = np.full(x.shape[1], l2)
    ridge[-1] = 1e-3
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (weight * (p - target)) + ridge * w
        curvature = (x * (weight * p * (1 - p) + 1e-9)[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        w -= step
        if np.abs(step).max() < 1e-6:
            break
    return w


def fit_softmax(
    rows: NDArray[np.float64], target: NDArray[np.int64], classes: int, l2: float, weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """L2 multinomial regression by accelerated gradient descent; rows of weights with the bias last."""
    x = np.concatenate([rows, np.ones((len(rows), 1))], axis=1).astype(np.float32)
    goal = np.eye(classes, dtype=np.float32)[target]
    w = np.zeros((classes, x.shape[1]), dtype=np.float32)
    ahead, rate, total = w.copy(), 1.0, float(weight.sum())
    for step in range(600):
        logits = x @ ahead.T
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = ((p - goal) * weight[:, None].astype(np.float32)).T @ x / total
        gradient[:, :-1] += l2 * ahead[:, :-1]
        following = ahead - rate * gradient
        ahead = following + step / (step + 3) * (following - w)
        w = following
    return w.astype(np.float64)


def balanced(keys: list[str], caps: dict[str, float] | None = None) -> NDArray[np.float64]:
    """Weights that give every key the same sum (times its entry in ``caps``), of mean 1."""
    count: dict[str, int] = {}
    for key in keys:
        count[key] = count.get(key, 0) + 1
    raw = np.array([(caps or {}).get(key, 1.0) / count[key] for key in keys])
    return raw * len(raw) / raw.sum()


def train(phrases: list[Phrase], embedded: dict[str, NDArray[np.float32]]) -> PromptHeads:
    """Fit every head on these phrases."""
    phrases = variants(phrases)
    known = [p for p in phrases if p.for_intent]
    rows = np.stack([embedded[p.text] for p in known]).astype(np.float64)
    by_group = np.sqrt(balanced([f"{p.language}:{p.group}" for p in known]))
    exposing = np.array([float(p.label != Intent.ORDINARY) for p in known])
    sides = balanced(["yes" if e else "no" for e in exposing], {"no": 3.0})
    letters = ngram_features([p.text for p in known]).astype(np.float64)
    scale = np.array([EMBEDDING_SCALE] * rows.shape[1] + [LETTER_SCALE] * letters.shape[1] + [1.0])
    pair = fit_softmax(
        np.concatenate([rows, letters], axis=1) * scale[:-1],
        exposing.astype(np.int64),
        2,
        1e-4,
        by_group * sides,
    )
    e_head = (pair[1] - pair[0]) * scale
    some = exposing > 0
    sexual = np.array([float(p.label == Intent.SEXUAL) for p in known])
    s_head = fit_logistic(rows[some], sexual[some], 1.0, by_group[some])
    with_ops = np.array([bool(p.operations) for p in known])
    o_heads = []
    for operation in OPERATION_ORDER:
        target = np.array([float(operation.value in p.operations) for p in known])[with_ops]
        sides = np.sqrt(balanced(["yes" if t else "no" for t in target]))
        o_heads.append(fit_logistic(rows[with_ops], target, 1.0, by_group[with_ops] * sides))
    named = np.array([float(p.named) for p in known])
    signs = name_signs([p.text for p in known]).astype(np.float64)
    n_head = fit_logistic(np.concatenate([rows, signs], axis=1), named, 1.0, by_group)
    floats = (np.asarray(a, dtype=np.float32) for a in (e_head, s_head, np.stack(o_heads), n_head))
    return PromptHeads(*floats, np.asarray(train_language(phrases), dtype=np.float32), known_words(phrases))


def known_words(phrases: list[Phrase]) -> NDArray[np.uint32]:
    """Sorted hashes of every word of the known languages' phrases, names of people left out."""
    words = {
        w for p in phrases if p.language in LANGUAGES and not p.named for w in words_of(normalise(p.text))
    }
    return np.unique(np.array([word_hash(word) for word in words], dtype=np.uint32))


def train_language(phrases: list[Phrase]) -> NDArray[np.float64]:
    """Fit the language head; every known language weighs as much as all the others together."""
    names = [*LANGUAGES, "other"]
    texts = [normalise(p.text) for p in phrases]
    target = np.array([names.index(p.language) for p in phrases])
    return fit_softmax(
        ngram_features(texts),
        target,
        len(names),
        2e-5,
        balanced([p.language for p in phrases], {"other": 1.3}),
    )


def report(
    heads: PromptHeads, aside: list[Phrase], embedded: dict[str, NDArray[np.float32]]
) -> dict[str, object]:
    """Figures of the heads alone, without the lexicon, on phrases not trained on, per language."""
    figures: dict[str, object] = {}
    for language in LANGUAGES:
        own = [p for p in aside if p.language == language]
        rows = np.stack([embedded[p.text] for p in own])
        exposing, _ = heads.intent_of(rows, [p.text for p in own])
        bad = np.array([p.label != Intent.ORDINARY for p in own])
        ops = heads.operations_of(rows)
        hits = [
            ops[i, OPERATION_ORDER.index(Operation(p.operations[0]))] > 0.5
            for i, p in enumerate(own)
            if p.operations
        ]
        named = np.array([p.named for p in own])
        says = heads.names_of(rows, [p.text for p in own]) > 0.5
        strange = [heads.is_strange(normalise(p.text)) for p in own]
        figures[language] = {
            "phrases": len(own),
            "exposing": int(bad.sum()),
            "caught_at_.5": round(float((exposing[bad] > 0.5).mean()), 4),
            "false_hits_at_.5": round(float((exposing[~bad] > 0.5).mean()), 4),
            "first_operation_found": round(float(np.mean(hits)), 4),
            "names_found": round(float(says[named].mean()), 4) if named.any() else None,
            "false_names": round(float(says[~named].mean()), 4),
            "language_not_known": round(float(np.mean(strange)), 4),
        }
    other = [p for p in aside if p.language == "other"]
    strange = [heads.is_strange(normalise(p.text)) for p in other]
    figures["other languages, none of them trained on"] = {
        "phrases": len(other), "language_not_known": round(float(np.mean(strange)), 4)
    }  # fmt: skip
    return figures


def write(heads: PromptHeads, out: Path) -> str:
    """Write the heads as a compressed npz of half-precision arrays; returns its SHA-256."""
    out.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: getattr(heads, name).astype(np.float16)
        for name in ("exposing", "sexual", "operations", "names", "language")
    }
    arrays["vocabulary"] = heads.vocabulary
    np.savez_compressed(out, **arrays)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    phrases = load_phrases()
    texts = sorted({p.text for p in variants(phrases)})
    print(f"{len(phrases)} phrases, {len(texts)} texts", file=sys.stderr)
    embedded = dict(zip(texts, SentenceEncoder().embed(texts), strict=True))
    trial = train([p for p in phrases if not is_aside(p.group)], embedded)
    figures = report(trial, [p for p in phrases if is_aside(p.group)], embedded)
    digest = write(train(phrases, embedded), out)
    print(
        json.dumps(
            {"aside": figures, "written": out.name, "sha256": digest, "bytes": out.stat().st_size}, indent=1
        )
    )


if __name__ == "__main__":
    main()
