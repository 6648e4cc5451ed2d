"""Files of models, styles and checkpoints, and pickles."""

from __future__ import annotations

import functools
import io
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hypothesis import strategies as st
from PIL import Image

from adain_core.method.normalization import Statistics
from adain_core.method.style import ShallowStatistics, Style
from adain_core.models.bundled import bundled_pair
from adain_core.models.foreign_weights import import_model
from adain_core.models.model_files import AnyDecoder, AnyEncoder, load_decoder, load_encoder
from adain_core.models.style_files import load_style, load_thumbnail, save_style
from adain_core.models.tensor_files import read_metadata
from adain_core.training.config import TrainingConfig
from adain_core.training.run.history import History
from adain_core.training.run.state import TrainingState, load_state, save_state

from .damage import damaged, lying
from .outcome import file_of, result_or_line


@functools.cache
def style_files() -> list[bytes]:
    def statistics(channels: int) -> Statistics:
        return Statistics(torch.rand(1, channels), torch.rand(1, channels) + 0.1)

    small = Style(statistics(64), "0123456789abcdef", {"name": "Rain", "license": "CC0"})
    deep = replace(small, statistics=statistics(512), shallow=ShallowStatistics([*map(statistics, (64, 128, 256))]))
    files = []
    with TemporaryDirectory() as folder:
        for style, picture in ((small, Image.new("RGB", (20, 30), "red")), (deep, None)):
            save_style(Path(folder, "style.safetensors"), style, picture)
            files.append(Path(folder, "style.safetensors").read_bytes())
    return files


@functools.cache
def model_files() -> list[bytes]:
    return [path.read_bytes() for path in bundled_pair("light")]


@functools.cache
def state_files() -> list[bytes]:
    history = History(["content", "style"], [[1.0, 2.0], [0.5, 1.0]])
    tensors = {"decoder.c.0.weight": torch.rand(2, 2), "random.cpu": torch.get_rng_state()}
    state = TrainingState(2, TrainingConfig(), "0123456789abcdef", {"content": "a"}, history, tensors, {})
    with TemporaryDirectory() as folder:
        return [save_state(Path(folder), state, 1).read_bytes()]


@functools.cache
def pickles() -> list[bytes]:
    state = {"0.weight": torch.rand(3, 3, 1, 1), "0.bias": torch.rand(3), "2.weight": torch.rand(8, 3, 3, 3)}
    files = []
    for in_zip in (True, False):
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=in_zip)
        files.append(buffer.getvalue())
    return [*files, pickle.dumps({"0.weight": [1.0, 2.0]})]


STYLES = st.deferred(lambda: st.one_of(damaged(style_files()), lying(style_files()), lying(model_files())))
MODELS = st.deferred(lambda: st.one_of(damaged(model_files()), lying(model_files()), lying(style_files())))
STATES = st.deferred(lambda: st.one_of(damaged(state_files()), lying(state_files())))
PICKLES = st.deferred(lambda: st.one_of(damaged(pickles()), hostile()))


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A pickle that would write a file named ``executed`` if it were let."""

    class Call:
        def __reduce__(self):
            return draw(st.sampled_from([os.mkdir, os.system, eval, exec])), (_CODE,)

    body = pickle.dumps(draw(st.sampled_from([Call(), {"0.weight": Call()}, [torch.zeros(1).numpy().dtype, Call()]])))
    if draw(st.booleans()):
        return body
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return buffer.getvalue()


_CODE = "executed"


def check_style(data: bytes) -> None:
    with file_of(data, "case.safetensors") as path:
        style = result_or_line(path.name, lambda: load_style(path))
        picture = result_or_line(path.name, lambda: load_thumbnail(path))
        assert picture is None or max(picture.size) <= 4096
        if style is not None:
            for layer in (style.statistics, *(style.layers() if style.shallow is not None else ())):
                assert all(bool(values.isfinite().all()) for values in layer)
                assert layer.mean.dtype == torch.float32


def check_model(data: bytes) -> None:
    with file_of(data, "case.safetensors") as path:
        metadata = result_or_line(path.name, lambda: read_metadata(path))
        assert metadata is None or all(isinstance(value, str) for value in metadata.values())
        loaders: tuple = (load_encoder, load_decoder, import_model)
        for load in loaders:
            model: AnyEncoder | AnyDecoder | None = result_or_line(path.name, lambda load=load: load(path))
            if model is not None:
                assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


def check_state(data: bytes) -> None:
    with file_of(data, "step-00000002.safetensors") as path:
        state = result_or_line(path.name, lambda: load_state(path))
        if state is not None:
            assert state.step >= 0
            state.history.thinned()
            state.history.latest()


def check_pickle(data: bytes) -> None:
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            with file_of(data, "case.pth") as path:
                result_or_line(path.name, lambda: import_model(path))
            assert not list(Path(folder).iterdir()), "code was executed"
        finally:
            os.chdir(before)
