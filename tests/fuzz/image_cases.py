"""Image files of all formats, modes and sizes, whole and damaged."""

from __future__ import annotations

import functools
import io

import numpy as np
from hypothesis import strategies as st
from PIL import Image, ImageCms

from adain_core.images.files import count_pixels, load_mask, load_picture, to_tensor
from adain_core.images.large_files import LargeImage

from .damage import damaged
from .outcome import check_pixels, file_of, result_or_line

SIZES = [(1, 1), (1, 17), (23, 1), (24, 16)]  # width and height
FORMATS = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F", "YCbCr"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["P", "L"],
    "BMP": ["1", "L", "P", "RGB"],
    "PPM": ["1", "L", "RGB", "I;16"],
    "TGA": ["L", "RGB", "RGBA"],
    "JPEG2000": ["L", "RGB", "RGBA"],
    "AVIF": ["RGB", "RGBA"],
    "ICO": ["RGBA"],
    "PCX": ["RGB"],
    "SGI": ["RGB"],
    "DDS": ["RGBA"],
    "IM": ["RGB"],
    "QOI": ["RGB"],
    "EPS": ["RGB"],
}
_EXACT = {"PNG", "TIFF", "BMP", "PPM", "TGA"}


def drawn(mode: str, size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A picture of random levels in a mode of Pillow's."""
    levels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    if mode in ("I;16", "I", "F"):
        wide = levels[..., 0].astype(np.uint16) * 257
        return Image.fromarray(wide if mode == "I;16" else wide.astype(np.int32 if mode == "I" else np.float32))
    rgba = Image.fromarray(levels)
    return rgba.convert("RGB").convert(mode) if mode in ("P", "CMYK", "YCbCr", "1") else _converted(rgba, mode)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.fromarray(np.asarray(image)[..., :3].copy(), "LAB")
    return image.convert(mode)


def encoded(mode: str, format: str, size: tuple[int, int], seed: int = 0, rich: bool = False) -> bytes:
    """The bytes of a picture; rich: with a profile and EXIF."""
    buffer = io.BytesIO()
    extra: dict[str, object] = {}
    if rich:
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "rain"
        extra = {"exif": exif.tobytes(), "icc_profile": ImageCms.ImageCmsProfile(_profile()).tobytes()}
    drawn(mode, size, seed).save(buffer, format, **extra)
    return buffer.getvalue()


def _profile() -> ImageCms.core.CmsProfile:
    return ImageCms.createProfile("sRGB")


@functools.cache
def files() -> list[bytes]:
    every = [encoded(mode, format, (24, 16)) for format, modes in FORMATS.items() for mode in modes]
    small = [encoded("RGB", format, size) for format in ("PNG", "JPEG", "WEBP", "TIFF") for size in SIZES]
    rich = [encoded("RGB", format, (24, 16), rich=True) for format in ("PNG", "JPEG", "WEBP", "TIFF")]
    frames = io.BytesIO()
    drawn("RGB", (24, 16)).save(frames, "TIFF", save_all=True, append_images=[drawn("RGB", (12, 8))])
    return [*every, *small, *rich * 4, frames.getvalue()]


DAMAGED = st.deferred(lambda: st.tuples(damaged(files()), st.sampled_from([".png", ".jpg", ".tif", ".eps", ".webp"])))
WHOLE = st.sampled_from(sorted(_EXACT)).flatmap(
    lambda format: st.tuples(
        st.just(format),
        st.sampled_from([mode for mode in FORMATS[format] if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]),
        st.one_of(
            st.tuples(st.integers(1, 40), st.integers(1, 40)),
            st.tuples(st.integers(1, 400), st.just(1)),
            st.tuples(st.just(1), st.integers(1, 400)),
            st.sampled_from([(20000, 3), (3, 20000)]),
        ),
        st.integers(0, 2**32 - 1),
    )
)


def check_damaged(case: tuple[bytes, str]) -> None:
    data, ending = case
    with file_of(data, f"case{ending}") as path:
        assert count_pixels(path) >= 0
        picture = result_or_line(path.name, lambda: load_picture(path))
        if picture is not None:
            check_pixels(picture.pixels)
            assert picture.pixels.shape[:2] == (1, 3)
            assert picture.opacity is None or picture.opacity.shape == picture.pixels.shape[2:]
            check_pixels(load_mask(path))


def check_large(case: tuple[bytes, str]) -> None:
    data, ending = case
    with file_of(data, f"case{ending}") as path:
        image = result_or_line(path.name, lambda: LargeImage(path))
        if image is not None:
            everything = slice(0, image.size[0]), slice(0, image.size[1])
            pixels = result_or_line(path.name, lambda: image.read(*everything))
            if pixels is not None:
                assert pixels.shape == (1, 3, *image.size)
                check_pixels(pixels)


def check_whole(case: tuple[str, str, tuple[int, int], int]) -> None:
    """Lossless files give the very levels; independent of the reader: by what was written."""
    format, mode, size, seed = case
    with file_of(encoded(mode, format, size, seed), f"case.{format.lower()}") as path:
        picture = load_picture(path)
        original = drawn(mode, size, seed)
        if mode == "I;16":
            levels = np.asarray(original).astype(np.float64) / 65535
            assert np.abs(picture.pixels[0].numpy() - levels).max() < 1e-6
            return
        assert (picture.pixels == to_tensor(original.convert("RGB"))).all()
        assert (picture.opacity is not None) == (mode in ("LA", "RGBA"))
        if picture.opacity is not None:
            assert (picture.opacity.numpy() == np.asarray(original.getchannel("A")) / np.float32(255)).all()
