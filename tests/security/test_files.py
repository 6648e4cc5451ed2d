"""Files of strangers: what they may make the pack read, start or unpack."""

from __future__ import annotations

import io
import os
import shutil
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from PIL import EpsImagePlugin, Image

from adain_core import AdaINError
from adain_core.images.files import count_pixels, load_mask, load_picture
from adain_core.images.folders import list_images
from adain_core.models.bundled import bundled_pair
from adain_core.models.foreign_weights import import_model
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.models.style_files import load_style, load_thumbnail
from tests.fuzz.model_cases import style_files

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(executed) (w) file\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["a.eps", "a.png", "a.jpg"])
def test_postscript_is_not_run(tmp_path, monkeypatch, name):
    asked = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *arguments, **_: asked.append(arguments))
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(AdaINError, match=rf"{name}: expected an image file"):
        load_picture(tmp_path / name)
    assert not asked
    if name == "a.eps":
        with pytest.raises(AdaINError, match="found none in it"):
            list_images(tmp_path)


@pytest.mark.parametrize("data", [b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', b"1,2\n3,4\n"])
def test_libvips_reads_pictures_only(tmp_path, data):
    pytest.importorskip("pyvips", reason="reads large images")
    from adain_core.images.large_files import LargeImage

    for ending in ("svg", "csv", "png"):
        path = tmp_path / f"a.{ending}"
        path.write_bytes(data)
        with pytest.raises(AdaINError, match=rf"a\.{ending}: expected an image file"):
            LargeImage(path)


def playlists(secret) -> dict[str, str]:
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile {secret.name}\n"
    pattern = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    return {"a.m3u8": hls, "a.ts": hls, "a.mp4": concat, "b.txt": concat, "c.m3u8": pattern}


def test_a_list_of_videos_does_not_open_them(tmp_path):
    """A playlist from a stranger would show any video on this machine, or ask addresses for one."""
    pytest.importorskip("av", reason="reads videos")
    from adain_core.video.animation import open_video
    from tests.adain_core.clips import write_clip

    secret = write_clip(tmp_path / "secret.ts", 4, sound=None)
    assert len(list(open_video(secret).frames())) == 4
    for name, text in playlists(secret).items():
        (tmp_path / name).write_text(text)
        with pytest.raises(AdaINError, match=rf"{name}: expected a video file, found one that cannot be read"):
            open_video(tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_is_no_address(tmp_path, monkeypatch):
    pytest.importorskip("av", reason="reads videos")
    from adain_core.video.animation import open_video
    from tests.adain_core.clips import write_clip

    monkeypatch.chdir(tmp_path)
    clip = write_clip(tmp_path / "clip.mp4", 4, sound=None)
    for name in ("concat:other.mp4", "frame%03d.mp4", "data:video.mp4"):
        os.link(clip, tmp_path / name)
        assert len(list(open_video(name).frames())) == 4


@pytest.mark.parametrize("bits", [1, 16])
def test_a_picture_that_unpacks_to_gigabytes_is_refused_unread(tmp_path, monkeypatch, bits):
    """A hundred bytes that say they are 200,000 x 200,000 pixels, and have the first rows of them."""
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("was unpacked"))
    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 200_000, 200_000, bits, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in parts:
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data)
    assert count_pixels(path) == sys.maxsize
    for read in (load_picture, load_mask):
        with pytest.raises(AdaINError, match=r"bomb\.png: expected an image") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_weights_that_unpack_to_terabytes_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"")
        for k in range(3):
            archive.writestr(f"archive/data/{k}", bytes(1 << 20))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was read"))
    monkeypatch.setattr("adain_core.models.foreign_weights._LARGEST", 3 << 19)
    with pytest.raises(AdaINError, match=r"bomb\.pth: expected weights of at most"):
        import_model(path)


def test_a_style_of_gigabytes_is_refused_unread(tmp_path):
    path = tmp_path / "style.safetensors"
    with path.open("wb") as file:
        file.write(style_files()[0])
        file.truncate(3 << 30)  # takes no room on the disk
    with pytest.raises(AdaINError, match=r"style\.safetensors: expected a file of at most 2 GiB"):
        load_style(path)


def test_a_thumbnail_is_small(tmp_path):
    from base64 import b64encode

    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "style.safetensors"
    path.write_bytes(style_files()[0])
    with safe_open(path, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    for size, shown in (((64, 64), True), ((4000, 4000), False)):
        picture = io.BytesIO()
        Image.new("L", size).save(picture, "PNG")
        save_file(tensors, path, metadata | {"thumbnail": b64encode(picture.getvalue()).decode()})
        assert (load_thumbnail(path) is not None) == shown
        load_style(path)


def test_a_style_in_use_does_not_change_with_its_file(tmp_path):
    """The library maps files into memory: one cut short meanwhile would end the process."""
    path = tmp_path / "style.safetensors"
    path.write_bytes(style_files()[0])
    style = load_style(path)
    before = style.statistics.mean.clone()
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.truncate(10)
    assert torch.equal(style.statistics.mean, before)


@pytest.mark.parametrize(("path", "load"), [*zip(bundled_pair("light"), (load_encoder, load_decoder), strict=True)])
def test_a_model_in_use_does_not_change_with_its_file(tmp_path, path, load):
    path = Path(shutil.copy(path, tmp_path))
    model = load(path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.truncate(10)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
