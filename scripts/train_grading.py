"""Train the built-in colour-grading editor on its own phrases, or measure it on the phrases kept aside.

    python scripts/train_grading.py              train (minutes on one CPU thread) and save the weights
    python scripts/train_grading.py --evaluate   print the figures of the shipped weights, as JSON

Every third phrase group (one idea in four languages, with its variants) is never trained on.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from consent_edit.errors import ArgumentRejected  # noqa: E402
from consent_edit.perception.prompt.sentences import SentenceEncoder  # noqa: E402
from consent_edit.pipelines import grading_colour as colour  # noqa: E402
from consent_edit.pipelines.grading import SLIDER_SCALE, GradingPipeline  # noqa: E402
from consent_edit.pipelines.grading_looks import LOOKS, borne_out, effects  # noqa: E402
from consent_edit.pipelines.grading_model import GradingDenoiser  # noqa: E402
from consent_edit.pipelines.grading_words import WORDS, negated, word_features  # noqa: E402
from scripts.grading_phrases import (  # noqa: E402
    Ask,
    compounds,
    load_groups,
    noise_sentences,
    parts_of_pictures,
    variants,
)
from scripts.grading_recipes import target_sliders  # noqa: E402

SEED = 7
STEPS = 6000
BATCH = 128
WORDS_ONLY = 0.35  # share of sentences trained on without their embedding, so that words decide polarity
WEIGHTS = ROOT / "consent_edit" / "pipelines" / "weights" / "grading"


def pictures() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pictures shipped inside scikit-image, (H, W, 3) uint8: those to train on, and three kept aside."""
    from skimage import data

    train = [data.coffee(), data.rocket(), data.hubble_deep_field(), data.immunohistochemistry()]
    stereo = data.stereo_motorcycle()[0]
    held = [data.astronaut(), data.chelsea(), stereo]
    return [np.asarray(p, dtype=np.uint8) for p in train], [np.asarray(p, dtype=np.uint8) for p in held]


def picture_statistics(count: int, dice: np.random.Generator) -> np.ndarray:
    """(count, 15) statistics of random crops, re-graded at random, and of synthetic gradients and blobs."""
    train, _ = pictures()
    rows = []
    for place in range(count):
        if place % 3 == 2:
            corners = dice.random((2, 2, 3)) * 255
            patch = np.array(
                Image.fromarray(corners.astype(np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
            )
        else:
            whole = train[dice.integers(len(train))]
            side = int(dice.integers(96, min(whole.shape[:2])))
            top, left = dice.integers(whole.shape[0] - side), dice.integers(whole.shape[1] - side)
            patch = colour.thumbnail(np.ascontiguousarray(whole[top : top + side, left : left + side]))
        wander = dice.normal(0, 0.18, len(colour.SLIDERS)).astype(np.float32)
        rows.append(colour.statistics(colour.apply_table(patch, colour.bake(wander))))
    return np.stack(rows)


def embed(asks: list[Ask]) -> torch.Tensor:
    """(n, 512 + WORDS) sentence embeddings and word features."""
    encoder = SentenceEncoder()
    texts = [ask.text for ask in asks]
    parts = [encoder.embed(texts[at : at + 256]) for at in range(0, len(texts), 256)]
    words = np.stack([word_features(text) for text in texts])
    return torch.from_numpy(np.concatenate([np.concatenate(parts), words], axis=1).astype(np.float32))


def scheduler() -> DDIMScheduler:
    """DDIM that predicts the sample itself, down to zero terminal SNR."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


def train_model(groups: list[dict[str, str]], steps: int = STEPS) -> GradingPipeline:
    """Train denoiser and reader together on the training groups."""
    random_words, random_pictures = random.Random(SEED), np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    asks = [ask for group in groups for ask in variants(group)]
    asks += compounds(groups, 5000, random_words) + noise_sentences(500, random_words)
    asks += parts_of_pictures(load_groups()[1])
    # To the model "I don't want it warmer" is "warmer"; the pipeline refuses it by its words, before that.
    asks = [ask for ask in asks if not negated(ask.text)]
    sentences = embed(asks)
    labels = torch.zeros(len(asks), len(LOOKS) + 1)
    names = list(LOOKS)
    for row, ask in enumerate(asks):
        for place in [names.index(look) for look in ask.looks] or [len(LOOKS)]:
            labels[row, place] = 1.0
    bags = reader_bags(asks)
    figures = torch.from_numpy(picture_statistics(1500, random_pictures))
    graded = torch.tensor([row for row, ask in enumerate(asks) if ask.looks])
    logging.info("%d sentences, %d pictures", len(asks), len(figures))

    noise = scheduler()
    pipe = GradingPipeline(scheduler=noise, denoiser=GradingDenoiser(words=WORDS, looks=len(LOOKS)))
    model = pipe.denoiser.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1.5e-3, total_steps=steps)
    for step in range(steps):
        pick, shot = graded[torch.randint(len(graded), (BATCH,))], torch.randint(len(figures), (BATCH,))
        target = target_batch([asks[i] for i in pick.tolist()], figures[shot].numpy(), random_pictures)
        time_at = torch.randint(0, 1000, (BATCH,))
        noisy = noise.add_noise(target, torch.randn_like(target), time_at)
        jittered = jitter(sentences[pick])
        loss = (model(noisy, time_at, jittered, figures[shot]) - target).square().mean()
        read = torch.randint(len(asks), (BATCH,))
        seen_by_readers = jitter(sentences[read])
        logits = model.read_logits(seen_by_readers)
        wanted = labels[read].expand_as(logits)
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(-1)
        # By its words alone no sentence is told to be something else: "make the shirt brighter" has those of
        # "make it brighter".
        words_alone = ~seen_by_readers[:, :-WORDS].any(dim=1)
        counted = bags[:, read] * ~(words_alone & (labels[read, -1] > 0))
        loss = loss + (each * counted).mean() * 25
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 1000 == 0:
            logging.info("step %d, loss %.4f", step, loss.item())
    model.eval()
    return pipe


def reader_bags(asks: list[Ask], readers: int = 6) -> torch.Tensor:
    """(readers, n) zeros and ones: each reader sees three in four of the phrase groups."""
    groups = sorted({ask.group for ask in asks})
    seen = {group: torch.rand(readers) < 0.75 for group in groups}
    return torch.stack([seen[ask.group] for ask in asks], dim=1).float()


def jitter(sentences: torch.Tensor, amount: float = 0.35) -> torch.Tensor:
    """Turn embeddings by a small random angle, so that near sentences read alike; leave some out."""
    vectors, words = sentences.split([sentences.shape[1] - WORDS, WORDS], dim=1)
    moved = (
        vectors + torch.randn_like(vectors) * amount * torch.rand(len(vectors), 1) / vectors.shape[1] ** 0.5
    )
    kept = (torch.rand(len(vectors), 1) > WORDS_ONLY).float()
    return torch.cat([torch.nn.functional.normalize(moved, dim=-1) * kept, words], dim=1)


def target_batch(asks: list[Ask], figures: np.ndarray, dice: np.random.Generator) -> torch.Tensor:
    """(batch, 17) sliders in the model's scale, each edit varied a little as people's edits vary."""
    rows = [
        target_sliders(ask.looks, ask.degree, stats) * dice.normal(1.0, 0.08)
        for ask, stats in zip(asks, figures, strict=True)
    ]
    return torch.from_numpy(np.stack(rows).astype(np.float32) * SLIDER_SCALE)


def evaluate(pipe: GradingPipeline, groups: list[dict[str, str]]) -> dict[str, object]:
    """Answered and right shares on groups: every phrase on every kept-aside picture."""
    pipe.set_progress_bar_config(disable=True)
    pipe._embed = functools.lru_cache(pipe._embed)  # each sentence is asked of three pictures
    shots = [Image.fromarray(colour.thumbnail(np.ascontiguousarray(p))) for p in pictures()[1]]
    tally: dict[str, list[int]] = {}
    wrong: list[str] = []
    for ask in (ask for group in groups for ask in variants(group)):
        for place, shot in enumerate(shots):
            outcome = judge(pipe, ask, shot, place)
            keys = ["all", ask.language, "bare" if ask.bare else "varied"]
            for key in [f"{'asked' if ask.looks else 'other'}.{key}" for key in keys]:
                counts = tally.setdefault(key, [0, 0, 0])
                counts[0] += 1
                counts[1] += outcome != "refused"
                counts[2] += outcome == "right"
            if outcome == "wrong" and place == 0:
                wrong.append(f"{ask.looks}: {ask.text}")
    figures: dict[str, object] = {}
    for key, (count, answered, right) in sorted(tally.items()):
        if key.startswith("asked"):
            share = round(right / max(answered, 1), 3)
            figures[key] = {"n": count, "answered": round(answered / count, 3), "right_of_answered": share}
        else:
            figures[key] = {"n": count, "refused": round(1 - answered / count, 3)}
    return {"figures": figures, "wrong": wrong}


def judge(pipe: GradingPipeline, ask: Ask, shot: Image.Image, seed: int) -> str:
    """``refused``, ``right`` or ``wrong``: by the signed effect on the picture's own pixels."""
    try:
        out = pipe(ask.text, shot, generator=torch.Generator().manual_seed(seed)).images[0]
    except ArgumentRejected:
        return "refused"
    before, after = (np.asarray(p, dtype=np.float32).reshape(-1, 3) / 255 for p in (shot, out))
    measured = effects(before, after)
    return "right" if ask.looks and all(borne_out(look, measured) for look in ask.looks) else "wrong"


def main() -> None:
    """Train, or measure."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evaluate", action="store_true", help="measure the shipped weights; train nothing")
    parser.add_argument(
        "--tune", action="store_true", help="train without a fifth of the training groups, measure on it"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    train, held = load_groups()
    start = time.monotonic()
    if chosen.evaluate:
        print(json.dumps(evaluate(GradingPipeline.shipped(), held), ensure_ascii=False, indent=1))
    elif chosen.tune:
        inner, outer = [g for i, g in enumerate(train) if i % 5], train[::5]
        print(json.dumps(evaluate(train_model(inner), outer), ensure_ascii=False, indent=1))
    else:
        pipe = train_model(train)
        pipe.save_pretrained(WEIGHTS, safe_serialization=True)
    logging.info("%.0f s", time.monotonic() - start)


if __name__ == "__main__":
    main()
