"""ICC profiles: pixels of any colour space become sRGB when an image is read, and results say that they are sRGB."""

from __future__ import annotations

import functools
import io
import logging
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from .color_tags import UnknownColours, told_profile

log = logging.getLogger(__name__)

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC  # colours that sRGB has stay; with black point compensation
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}  # Pillow's, by the colour space of a profile
_DATE = slice(24, 36)  # of its making, in a profile's header
_SAME = 1  # level; closer than that to sRGB a profile is sRGB, and rounding twice would only cost


@functools.cache
def srgb_profile() -> bytes:
    """The profile that results are tagged with, the same bytes each time."""
    profile = bytearray(_srgb().tobytes())
    profile[_DATE] = bytes.fromhex("07d0 0001 0001 0000 0000 0000")  # 1 January 2000
    return bytes(profile)


def profile_of(path: str | Path, embedded: bytes | None, mode: str) -> bytes | None:
    """The profile of a file's pixels, of a mode of Pillow's: as `color_tags.told_profile`.

    None: the numbers are sRGB's. Colours that are told but cannot be converted are taken so, with a warning.
    """
    if mode in ("CMYK", "LAB"):
        return embedded
    try:
        return told_profile(path, embedded)
    except UnknownColours as error:
        say_ignored(path, str(error))
        return None


def to_srgb(path: str | Path, image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in the colour space of a profile as RGB in sRGB.

    Args:
        path: of the file, for the warning.
        image: without transparency: grey, RGB, CMYK or Lab in 8 bits.
        profile: None: the numbers are sRGB's; CMYK, which has no such numbers, is taken as plain ink.

    Returns:
        RGB. With a profile that is broken or of another colour space the numbers are taken as they are, and a warning
        is logged, once for each file.
    """
    if image.mode == "LAB":
        profile = _lab_profile()
    if profile is None:
        return image.convert("RGB")
    reason = unusable(profile, image.mode)
    if reason:
        say_ignored(path, reason)
        return image.convert("RGB")
    mode = mode_of(profile)
    transform = _transform(profile)
    image = image.convert(mode) if image.mode != mode else image
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only in place it is
    return converted


def grey_curve(path: str | Path, profile: bytes | None) -> np.ndarray | None:
    """What the levels 0..255 of a grey image with a profile are in sRGB, uint8 ``[256, 3]``; None: what they are."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if profile is None or (unusable(profile, "L") is None and is_srgb(profile)):
        return None
    curve: np.ndarray = np.asarray(to_srgb(path, ramp, profile))[0]
    return curve


@functools.lru_cache(maxsize=64)
def unusable(profile: bytes, mode: str) -> str | None:
    """Why a profile cannot be used for pixels of a mode of Pillow's; None if it can."""
    try:
        wanted = mode_of(profile)
        _transform(profile)
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        return f"cannot be read ({error})"
    # Grey with a profile for RGB is common: it means the grey of that RGB.
    if mode != wanted and (mode, wanted) != ("L", "RGB"):
        return f"is for {wanted} pixels, not for {mode} ones"
    return None


def mode_of(profile: bytes) -> str:
    """The mode of Pillow's that a profile's pixels have.

    Raises:
        OSError, ValueError: it cannot be read, or has another colour space.
    """
    space = str(_parsed(profile).profile.xcolor_space)
    if space not in _MODES:
        raise ValueError(f"colour space {space.strip()}")
    return _MODES[space]


def is_srgb(profile: bytes) -> bool:
    """Whether a profile that can be used leaves the numbers of RGB or grey as they are, to a level."""
    return _transform(profile) is None


@functools.cache
def say_ignored(path: str | Path, reason: str) -> None:
    """Warns that a file's profile is not used, once."""
    log.warning("warning: %s: its colour profile %s; colours are taken as sRGB's", path, reason)


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """To sRGB; None where that changes no colour by more than `_SAME`."""
    mode = mode_of(profile)
    transform = ImageCms.buildTransform(
        _parsed(profile), _srgb(), mode, "RGB", INTENT, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )
    if mode not in ("RGB", "L"):
        return transform
    if mode == "RGB":
        steps = np.arange(0, 256, 15, dtype=np.uint8)
        samples = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    else:
        samples = np.arange(256, dtype=np.uint8)[None]
    converted = ImageCms.applyTransform(Image.fromarray(samples), transform)
    found = np.asarray(converted).astype(int)
    expected = samples if mode == "RGB" else samples[..., None]
    return None if abs(found - expected).max() <= _SAME else transform


def _parsed(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.cache
def _lab_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
