"""Tiny text encoders and tokenizers made on the spot: one token a letter, random weights, nothing fetched."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WIDTH = 16
"""Width of every text encoder."""

CHAT = (
    "{% for one in messages %}"
    "{{ one['content'] if one['content'] is string else one['content'][0]['text'] }}"
    "{% endfor %}"
)
"""Neither roles nor turns: only what is said."""

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer over single letters, so that no vocabulary needs to be fetched."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def clip_encoder(tokenizer: CLIPTokenizer, *, projected: bool = False):
    """A CLIP text encoder over that vocabulary; ``projected`` for one that gives its pooled output."""
    config = CLIPTextConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def t5(width: int) -> tuple[T5Tokenizer, T5EncoderModel]:
    """T5 over single letters, as wide as the network it serves takes its words."""
    letters = [(chr(code), -1.0) for code in range(ord("a"), ord("z") + 1)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0)]
    tokenizer = T5Tokenizer(vocab=[*special, *letters], extra_ids=0, model_max_length=77)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, use_cache=False
    )
    return tokenizer, T5EncoderModel(config).eval()


def byte_tokenizer() -> Qwen2Tokenizer:
    """A Qwen tokenizer over single bytes, with the special tokens that its templates name."""
    vocabulary = {token: index for index, token in enumerate((*sorted(ByteLevel.alphabet()), *SPECIAL))}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], model_max_length=4096, chat_template=CHAT)
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    return tokenizer


def _language(layers: int, tokenizer: Qwen2Tokenizer) -> dict[str, object]:
    return {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 4096,
    }


def qwen3(layers: int) -> tuple[Qwen2Tokenizer, Qwen3ForCausalLM]:
    """Qwen3, as FLUX.2 Klein (its layers 9, 18 and 27) and Z-Image read with."""
    tokenizer = byte_tokenizer()
    return tokenizer, Qwen3ForCausalLM(Qwen3Config(**_language(layers, tokenizer))).eval()


def mistral3() -> tuple[Qwen2Tokenizer, Mistral3ForConditionalGeneration]:
    """Mistral 3, as FLUX.2 reads with: its layers 10, 20 and 30."""
    tokenizer = byte_tokenizer()
    config = Mistral3Config(
        text_config={"model_type": "mistral", **_language(30, tokenizer)},
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "head_dim": 8,
            "image_size": 32,
            "patch_size": 16,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
    )
    return tokenizer, Mistral3ForConditionalGeneration(config).eval()


def qwen_vl() -> tuple[Qwen2Tokenizer, Qwen2_5_VLForConditionalGeneration]:
    """Qwen2.5-VL, as Qwen-Image reads with."""
    tokenizer = byte_tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _VL_TOKENS.items()}
    config = Qwen2_5_VLConfig(
        text_config={
            **_language(2, tokenizer),
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
        },
        **ids,
    )
    return tokenizer, Qwen2_5_VLForConditionalGeneration(config).eval()


_VL_TOKENS = {
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
}
