"""Pictures that change while they are handed over: what was looked at is what is run."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from fake_perception import picture
from PIL import Image

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage

OTHER = picture(9)


@pytest.fixture
def traffic(scene):
    """Digests of what perception looked at, and of what the pipeline was given."""
    looked, given = [], []
    observe, processor = scene.perception.observe_image, scene.editor.pipeline.image_processor
    prepare = processor.preprocess

    def observing(image):
        looked.append(CanonicalImage.of(image.pixels).digest)
        return observe(image)

    def preparing(image, *arguments, **keywords):
        given.append(CanonicalImage.of(np.asarray(image)).digest)
        return prepare(image, *arguments, **keywords)

    scene.perception.observe_image = observing
    processor.preprocess = preparing
    return looked, given


def file_of(image):
    file = io.BytesIO()
    Image.fromarray(image.pixels).save(file, "PNG")
    return file.getvalue()


class EachReadAnother(Image.Image):
    """Loads another picture each time that anything of Pillow's asks for its pixels."""

    def __init__(self):
        super().__init__()
        self._mode, self._size, self._reads = "RGB", (64, 64), 0

    def load(self):
        self._reads += 1
        self.im = Image.fromarray(picture(self._reads).pixels).im
        return super().load()


def test_pillow_picture_that_is_another_at_each_read(scene, traffic):
    """However often it is read, one reading of it is looked at, and that one is run."""
    looked, given = traffic
    changing = EachReadAnother()
    scene.edit(image=changing)
    assert looked[0] == given[0]
    reads = changing._reads
    assert np.asarray(changing).tobytes() != np.asarray(changing).tobytes() and changing._reads > reads


def test_pixels_in_memory_that_a_thread_writes_to(scene, traffic):
    """A picture laid over the caller's own array, written to all the while, is taken in once."""
    looked, given = traffic
    memory = np.zeros((64, 64, 4), np.uint8)
    shared = Image.frombuffer("RGBX", (64, 64), memory, "raw", "RGBX", 0, 1)
    over = threading.Event()

    def write():
        value = 0
        while not over.is_set():
            value = (value + 1) % 256
            memory[:] = value

    before = shared.getpixel((0, 0))
    memory[:] = 77
    assert shared.getpixel((0, 0)) != before, "the memory is not shared: the attack is none"
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            looked.clear(), given.clear()
            try:
                scene.edit(image=shared)
            except InputError:
                continue
            assert looked[0] == given[0]
    finally:
        over.set()
        writer.join()


@pytest.mark.parametrize("moment", ["observe_image", "read_prompt", "observe_change"])
def test_file_replaced_under_a_picture_that_was_opened(scene, traffic, tmp_path, moment):
    """Pillow opens a file lazily; what stands in it later, at whatever moment, is not run."""
    looked, given = traffic
    file = tmp_path / "picture.png"
    file.write_bytes(file_of(scene.before))
    genuine = getattr(scene.perception, moment)

    def replacing(*arguments, **keywords):
        file.write_bytes(file_of(OTHER))
        return genuine(*arguments, **keywords)

    setattr(scene.perception, moment, replacing)
    with Image.open(file) as opened:
        scene.edit(image=opened)
    assert looked[0] == given[0] == scene.before.digest


class Bytes(bytes):
    """Shows the head of another file to whoever asks it instead of its buffer."""

    shown = b""

    def __getitem__(self, key):
        return self.shown[key]

    def __len__(self):
        return len(self.shown)

    def __iter__(self):
        return iter(self.shown)

    def startswith(self, *arguments):
        return self.shown.startswith(*arguments)

    def find(self, *arguments):
        return self.shown.find(*arguments)


def test_bytes_that_show_another_files_head(scene, traffic):
    """A file read in two ways is refused, or is one picture to check and pipeline alike."""
    looked, given = traffic
    disguised = Bytes(file_of(scene.before))
    disguised.shown = file_of(picture(3, 96, 96))
    try:
        scene.edit(image=disguised)
    except InputError:
        assert not given
    else:
        assert looked[0] == given[0]


def test_canonical_pixels_that_are_others_at_each_read(scene, traffic):
    """A class of the caller's own around canonical pixels is read once, like any picture."""
    looked, given = traffic

    class Changing(CanonicalImage):
        reads = 0

        @property
        def pixels(self):
            Changing.reads += 1
            return picture(Changing.reads).pixels

    scene.edit(image=object.__new__(Changing))
    assert looked[0] == given[0]


def test_pixels_that_are_written_to_while_the_pipeline_holds_them(scene, traffic):
    """What the checks hold can be written to by nobody, and the pipeline is given a copy."""
    held = []
    observe = scene.perception.observe_image
    scene.perception.observe_image = lambda image: (held.append(image), observe(image))[1]
    scene.edit(image=scene.before)
    for image in held:
        with pytest.raises(ValueError):
            image.pixels.setflags(write=True)
    given = Image.fromarray(held[0].pixels)
    given.paste(0, (0, 0, 64, 64))
    assert CanonicalImage.of(held[0].pixels).digest == scene.before.digest
