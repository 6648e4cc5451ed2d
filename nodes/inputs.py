"""Inputs that several nodes share."""

from __future__ import annotations

from ..adain_core.method.features import Features
from ..adain_core.method.style import Style

ALPHA = (
    "FLOAT",
    {
        "default": 1.0,
        "min": 0.0,
        "max": 1.0,
        "step": 0.01,
        "tooltip": "Content-style trade-off: 0 gives the content back, 1 the full style.",
    },
)
TILE_SIZE = (
    "INT",
    {
        "default": 0,
        "min": 0,
        "max": 8192,
        "step": 64,
        "advanced": True,
        "tooltip": "Side of the tiles in pixels, at least 64; 0: as large as memory allows. The result is the same.",
    },
)


def style_of(source: Features | Style) -> Style:
    """A style, from either of the types a style input takes."""
    return source.style if isinstance(source, Features) else source
