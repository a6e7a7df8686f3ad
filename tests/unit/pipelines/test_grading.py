"""The built-in editor: it grades as asked, survives saving, and says so when an ask is not its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the built-in editor needs the diffusers extra")
pytest.importorskip("diffusers", reason="the built-in editor needs the diffusers extra")
skimage_data = pytest.importorskip("skimage.data", reason="the astronaut photograph ships with scikit-image")

from PIL import Image  # noqa: E402

from consent_edit.errors import ArgumentRejected, ModelUnavailable  # noqa: E402
from consent_edit.pipelines import grading  # noqa: E402
from consent_edit.pipelines import grading_colour as colour  # noqa: E402
from consent_edit.pipelines.grading import GradingPipeline  # noqa: E402
from consent_edit.pipelines.grading_looks import LOOKS, borne_out, effects  # noqa: E402
from consent_edit.pipelines.grading_model import GradingDenoiser  # noqa: E402
from consent_edit.pipelines.grading_words import WORDS  # noqa: E402

WEIGHTS = Path(grading.__file__).parent / "weights" / "grading"

DIRECTIONS = [
    ("make it warmer", "warmer"),
    ("make it cooler", "cooler"),
    ("make it brighter", "brighter"),
    ("make it darker", "darker"),
    ("rends-la plus chaude", "warmer"),
    ("hazla más oscura", "darker"),
    ("mach es heller", "brighter"),
    ("more contrast", "contrast_up"),
    ("less contrast", "contrast_down"),
    ("black and white", "black_and_white"),
    ("mets-la en noir et blanc", "black_and_white"),
    ("make it sepia", "sepia"),
    ("reduce the saturation", "muted"),
]

NOT_THIS_EDITOR = [
    "remove her hat",
    "replace the background",
    "remove her clothes",
    "mets-la en bikini",
    "don't make it brighter",
    "make her dress red",
    "qwx zzrt plomf",
    "इसे और गर्म बनाओ",
    "   ",
    "brighter " * 60,
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pipe() -> GradingPipeline:
    torch.set_num_threads(1)
    loaded = GradingPipeline.shipped()
    loaded.set_progress_bar_config(disable=True)
    try:
        loaded._embed("make it warmer")
    except ModelUnavailable as error:
        pytest.skip(f"the sentence encoder is not on this machine: {error.message}")
    return loaded


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(skimage_data.astronaut())


def graded(
    pipe: GradingPipeline, prompt: str, image: Image.Image, seed: int = 0, **more: object
) -> Image.Image:
    return pipe(prompt, image, generator=torch.Generator().manual_seed(seed), **more).images[0]


def measured(before: Image.Image, after: Image.Image) -> dict[str, float]:
    flat = [np.asarray(p, dtype=np.float32).reshape(-1, 3) / 255 for p in (before, after)]
    return effects(*flat)


@pytest.mark.parametrize(("prompt", "look"), DIRECTIONS)
def test_astronaut_moves_in_the_direction_asked(
    pipe: GradingPipeline, astronaut: Image.Image, prompt: str, look: str
) -> None:
    """A plain ask changes the photograph's colours the way its words say."""
    out = graded(pipe, prompt, astronaut)
    assert out.size == astronaut.size and out.mode == "RGB"
    assert borne_out(look, measured(astronaut, out)), measured(astronaut, out)


@pytest.mark.parametrize("prompt", NOT_THIS_EDITOR)
def test_what_is_not_grading_is_refused_by_name(
    pipe: GradingPipeline, astronaut: Image.Image, prompt: str
) -> None:
    """An ask that is not colour grading gets a clear refusal with examples, not a guess."""
    with pytest.raises(ArgumentRejected) as refused:
        graded(pipe, prompt, astronaut)
    assert refused.value.code == "input.not-this-editor"
    assert "not something this editor does" in refused.value.message
    assert "warmer" in refused.value.remedy
    assert not prompt.strip() or prompt not in refused.value.diagnostics()


def test_phrases_kept_aside_are_answered_right(pipe: GradingPipeline, astronaut: Image.Image) -> None:
    """Of the phrases never trained on, a third or more are answered, nine in ten of those rightly."""
    script = Path(grading.__file__).parents[2] / "scripts" / "train_grading.py"
    if not script.exists():
        pytest.skip("the training script is only in a checkout")
    spec = importlib.util.spec_from_file_location("train_grading", script)
    training = importlib.util.module_from_spec(spec)
    sys.modules["train_grading"] = training
    spec.loader.exec_module(training)

    trained, held = training.load_groups()
    assert not {g["group"] for g in trained} & {g["group"] for g in held}
    asks = [ask for group in held for ask in training.variants(group) if ask.bare]
    small = astronaut.resize((96, 96))
    outcomes = [(bool(ask.looks), training.judge(pipe, ask, small, 0)) for ask in asks]
    answered = [outcome for graded, outcome in outcomes if graded and outcome != "refused"]
    others = [outcome for graded, outcome in outcomes if not graded]
    assert len(answered) >= 0.33 * sum(graded for graded, _ in outcomes)
    assert answered.count("right") >= 0.9 * len(answered)
    assert others.count("refused") >= 0.9 * len(others)


def test_sliders_against_the_words_are_refused(
    pipe: GradingPipeline, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the denoiser turned the wrong way, the edit is refused and not released the wrong way round."""
    darker = np.zeros(len(colour.SLIDERS), dtype=np.float32)
    darker[colour.SLIDERS.index("exposure")] = -0.5
    monkeypatch.setattr(pipe, "_denoise", lambda *_: darker)
    graded(pipe, "make it darker", astronaut)
    with pytest.raises(ArgumentRejected, match="not something this editor does"):
        graded(pipe, "make it brighter", astronaut)


def test_equal_seeds_give_equal_pictures(pipe: GradingPipeline, astronaut: Image.Image) -> None:
    """The same seed gives the same bytes; another seed a slightly different picture."""
    first = graded(pipe, "make it warmer", astronaut, seed=3)
    assert first.tobytes() == graded(pipe, "make it warmer", astronaut, seed=3).tobytes()
    assert first.tobytes() != graded(pipe, "make it warmer", astronaut, seed=4).tobytes()


def test_strength_zero_leaves_the_picture_alone(pipe: GradingPipeline, astronaut: Image.Image) -> None:
    """Strength 0 changes no pixel by more than the table's rounding."""
    out = graded(pipe, "make it warmer", astronaut, strength=0.0)
    difference = np.abs(np.asarray(out, dtype=int) - np.asarray(astronaut, dtype=int))
    assert difference.max() <= 1


def test_scheduler_steps_once_per_step_on_the_instance(
    pipe: GradingPipeline, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher put on this instance's scheduler sees every denoising step."""
    seen = []
    real = pipe.scheduler.step

    def watching(*args: object, **kwargs: object) -> object:
        seen.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(pipe.scheduler, "step", watching)
    graded(pipe, "make it warmer", astronaut, num_inference_steps=5)
    assert len(seen) == 5


def test_last_step_goes_through_the_render_method(
    pipe: GradingPipeline, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``_render`` returns is what comes out, so that a hostile renderer can be tried on an instance."""
    monkeypatch.setattr(pipe, "_render", lambda pixels, table: np.full_like(pixels, 7))
    assert np.unique(np.asarray(graded(pipe, "make it warmer", astronaut))).tolist() == [7]


@pytest.mark.parametrize("size", [(1, 1), (17, 300), (301, 64)])
def test_odd_sizes_keep_their_size(
    pipe: GradingPipeline, astronaut: Image.Image, size: tuple[int, int]
) -> None:
    """The output has the input's size, whatever that is."""
    assert graded(pipe, "make it warmer", astronaut.resize(size)).size == size


@pytest.mark.parametrize(
    "change",
    [
        {"output_type": "latent"},
        {"strength": 1.5},
        {"strength": float("nan")},
        {"num_inference_steps": 0},
        {"num_inference_steps": True},
        {"image": torch.zeros(1, 17, 4, 4)},
        {"image": Image.new("RGBA", (8, 8))},
        {"prompt": ["make it warmer"]},
        {"prompt": "warmer \ud800"},
    ],
)
def test_arguments_out_of_range_are_refused(
    pipe: GradingPipeline, astronaut: Image.Image, change: dict[str, object]
) -> None:
    """Latents, tensors, lists and numbers out of range are refused before anything runs."""
    with pytest.raises(ArgumentRejected):
        pipe(**{"prompt": "make it warmer", "image": astronaut, **change})


def test_saved_and_loaded_again_gives_the_same_bytes(
    pipe: GradingPipeline, astronaut: Image.Image, tmp_path: Path
) -> None:
    """save_pretrained then from_pretrained gives the same picture, in this process and in a fresh one."""
    pipe.save_pretrained(tmp_path / "saved", safe_serialization=True)
    expected = graded(pipe, "make it warmer", astronaut, seed=5)

    again = GradingPipeline.from_pretrained(tmp_path / "saved", local_files_only=True)
    again.set_progress_bar_config(disable=True)
    assert graded(again, "make it warmer", astronaut, seed=5).tobytes() == expected.tobytes()

    astronaut.save(tmp_path / "in.png")
    program = (
        "import sys, torch; from PIL import Image; torch.set_num_threads(1);"
        "from consent_edit.pipelines.grading import GradingPipeline as G;"
        "p = G.from_pretrained(sys.argv[1] + '/saved', local_files_only=True);"
        "g = torch.Generator().manual_seed(5);"
        "p('make it warmer', Image.open(sys.argv[1] + '/in.png'), generator=g).images[0]"
        ".save(sys.argv[1] + '/out.png')"
    )
    root = Path(grading.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stderr
    assert Image.open(tmp_path / "out.png").tobytes() == expected.tobytes()


def test_missing_or_damaged_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its weights, or with a cut-off file, the editor says that they are missing or damaged."""
    monkeypatch.setattr(grading, "_WEIGHTS", tmp_path / "nowhere")
    with pytest.raises(ModelUnavailable, match="missing or damaged"):
        GradingPipeline.shipped()

    GradingPipeline(
        scheduler=_scheduler(), denoiser=GradingDenoiser(words=WORDS, looks=len(LOOKS))
    ).save_pretrained(tmp_path / "cut")
    for file in (tmp_path / "cut").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:1000])
    monkeypatch.setattr(grading, "_WEIGHTS", tmp_path / "cut")
    with pytest.raises(ModelUnavailable, match="missing or damaged"):
        GradingPipeline.shipped()


def _scheduler() -> object:
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_pretrained(WEIGHTS / "scheduler")


def test_shipped_weights_are_small_and_only_safetensors() -> None:
    """The weights folder holds less than 5 MB, and no pickle."""
    files = [p for p in WEIGHTS.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 5_000_000
    assert {p.suffix for p in files} == {".json", ".safetensors", ".md"}


def test_shipped_scheduler_predicts_the_sample_to_zero_snr() -> None:
    """The shipped scheduler is DDIM with sample prediction and zero terminal signal."""
    scheduler = _scheduler()
    assert scheduler.config.prediction_type == "sample"
    assert float(scheduler.alphas_cumprod[-1]) < 1e-6


@pytest.mark.parametrize("name", colour.SLIDERS)
def test_every_slider_does_something_and_zero_nothing(name: str) -> None:
    """Each slider changes the table both ways; all at zero give back the colours within rounding."""
    rest = np.zeros(len(colour.SLIDERS), dtype=np.float32)
    assert np.abs(colour.bake(rest) - colour.lattice()).max() < 1e-4
    for sign in (-1, 1):
        moved = rest.copy()
        moved[colour.SLIDERS.index(name)] = 0.5 * sign
        baked = colour.bake(moved)
        assert np.abs(baked - colour.lattice()).max() > 0.01
        assert baked.min() >= 0 and baked.max() <= 1
