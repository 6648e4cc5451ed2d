"""Inputs that several nodes share."""

from __future__ import annotations

from ..adain_core.method.features import Features
from ..adain_core.method.style import Style
from ..adain_core.models.bundled import DEFAULT_PAIR, PAIRS
from ..adain_core.video.smoothing import DEFAULT_STRENGTH

_ALPHA = {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}
ALPHA = ("FLOAT", {**_ALPHA, "tooltip": "Content-style trade-off: 0 gives the very content back, 1 the full style."})
ALPHA_OF_FEATURES = (
    "FLOAT",
    {
        **_ALPHA,
        "tooltip": "Content-style trade-off: 0 gives the content's features back, 1 the full style. What the decoder "
        "loses (see AdaIN Decode) is lost at 0 as well.",
    },
)
MASK = (
    "MASK",
    {
        "tooltip": "Where to stylize (white); soft edges blend. Where it is black the content's own pixels stay. "
        "One, or one per image; stretched to the content when sizes differ. An empty mask counts as none."
    },
)
SMOOTHING = (
    "FLOAT",
    {
        "default": DEFAULT_STRENGTH,
        "min": 0.0,
        "max": 0.95,
        "step": 0.05,
        "tooltip": "How much of the frames before is kept: 0 stylizes each frame by itself. Higher is calmer, but "
        "strokes follow changes of light and shape later. Use 0 where the exposure of the whole picture flickers: "
        "smoothing makes that worse.",
    },
)
FLOW = (
    "BOOLEAN",
    {
        "default": True,
        "tooltip": "Carries the last result along the optical flow, which does most of the smoothing. Off: only "
        "statistics are smoothed.",
    },
)
PAIR = (
    list(PAIRS),
    {
        "default": DEFAULT_PAIR,
        "tooltip": "The models. fine, the default: keeps fine detail and pure colours. vgg19: the paper's. light: "
        "several times as fast, for computers without a graphics card and for previews.",
    },
)
REFINE = (
    "INT",
    {
        "default": 0,
        "min": 0,
        "max": 1000,
        "tooltip": "Steps of gradient descent after the decoder: 10 bring colours and texture much closer to the "
        "style. Each takes several times as long as decoding. With the pairs fine and vgg19; 0: none.",
    },
)
_SIZE = {"default": 0, "min": 0, "max": 8192, "step": 8}
STYLE_SIZE = (
    "INT",
    {
        **_SIZE,
        "tooltip": "Short side in pixels at which the style image is seen, which sets the size of the strokes: smaller "
        "ones give finer strokes, larger ones broader. 0: the image as it is.",
    },
)
DETAIL_SIZE = (
    "INT",
    {
        **_SIZE,
        "advanced": True,
        "tooltip": "Short side in pixels at which the content is measured, its picture unchanged in size: one below "
        "the content's gives calmer, softer detail. 0, or more than it has: the content as it is.",
    },
)
STATISTICS_SIZE = (
    "INT",
    {
        **_SIZE,
        "advanced": True,
        "tooltip": "Short side in pixels at which statistics are taken, the features unchanged in size. For a style it "
        "sets the size of the strokes; for a content, one below its own gives calmer, softer detail. 0: the image as "
        "it is.",
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
