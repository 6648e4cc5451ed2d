"""The models the pack ships."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
DEFAULT_ENCODER = WEIGHTS / "vgg19_relu4_1.safetensors"
DEFAULT_DECODER = WEIGHTS / "decoder_vgg19.safetensors"
