"""The whole pipeline as one object: image -> features -> statistics -> AdaIN -> features -> decoder -> image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..devices import parse_device, parse_precision
from ..errors import check_finite
from ..images.color import ColorMatch
from ..images.resize import scale_short_side
from ..memory import budget
from ..method.features import Features
from ..method.spatial_masks import to_size
from ..method.style import ShallowStatistics, Style, check_same_encoder, check_style_size
from ..models.bundled import DEFAULT_PAIR, load_pair
from ..models.model_files import AnyDecoder, AnyEncoder
from ..progress import ProgressCallback
from .fallback import smaller_when_out_of_memory
from .fast.forward import compile_from_now_on
from .frames import stylize_frames
from .pipeline import decode, encode
from .pooled_style import pooled_style
from .refinement import STYLE_WEIGHT, RefinementGoal, check_refinement, refine


class Stylizer:
    """Stylizes images with an encoder and a decoder trained for it.

    Example:
        >>> photo, painting = torch.rand(1, 3, 40, 56), torch.rand(1, 3, 64, 64)  # RGB 0..1
        >>> stylizer = Stylizer.load()
        >>> style = stylizer.style(painting)  # once
        >>> stylizer.stylize(photo, style, alpha=0.8).shape
        torch.Size([1, 3, 40, 56])
    """

    def __init__(
        self,
        encoder: AnyEncoder,
        decoder: AnyDecoder,
        device: torch.device | str | None = None,
        precision: str = "float32",
    ) -> None:
        check_same_encoder(encoder.fingerprint, decoder.trained_for)
        self.device = parse_device(device)
        dtype = parse_precision(precision, self.device)
        self.encoder = encoder.to(self.device, dtype).to(memory_format=torch.channels_last)
        self.decoder = decoder.to(self.device, dtype).to(memory_format=torch.channels_last)

    @classmethod
    def load(
        cls,
        encoder: str | Path | None = None,
        decoder: str | Path | None = None,
        device: torch.device | str | None = None,
        precision: str = "float32",
        pair: str = DEFAULT_PAIR,
    ) -> Stylizer:
        """Reads the models.

        Args:
            encoder, decoder: safetensors files; None: see `bundled.load_pair`.
            device: where to compute; None: the best there is.
            precision: ``float32``, ``bfloat16``, ``float16``; ``auto``: float16 on CUDA, else float32.
            pair: which bundled pair, ``vgg19``, ``fine`` or ``light``, see `bundled.PAIRS`.

        Raises:
            AdaINError: another pair, a file that cannot be read, or a decoder trained for another encoder.
        """
        return cls(*load_pair(encoder, decoder, pair), device, precision)

    def compile(self) -> None:
        """Compiles the models, from now on, for each size of image they meet, see `compiled`."""
        compile_from_now_on(self.encoder)
        compile_from_now_on(self.decoder)

    def encode(
        self,
        images: Tensor,
        mask: Tensor | None = None,
        tile_size: int = 0,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
        statistics_size: int = 0,
    ) -> Features:
        """Features of images ``[B, 3, H, W]`` RGB 0..1, see `pipeline.encode`; in smaller tiles if memory runs out."""

        def run(tile_size: int, memory: int) -> Features:
            return encode(
                self.encoder, images, mask, tile_size, progress, memory=memory, statistics_size=statistics_size
            )

        return smaller_when_out_of_memory(run, tile_size, budget(self.device) if memory is None else memory)

    def style(
        self,
        images: Tensor,
        mask: Tensor | None = None,
        tile_size: int = 0,
        memory: int | None = None,
        colors: Tensor | None = None,
        colors_opacity: Tensor | None = None,
        layers: bool = False,
        color_match: ColorMatch | None = None,
        size: int = 0,
    ) -> Style:
        """The style of images ``[B, 3, H, W]``: their features' statistics, a few kilobytes.

        Args:
            images, mask, tile_size, memory: see `encode`.
            colors: images ``[B or 1, 3, h, w]`` whose colours these get first.
            colors_opacity: how much their pixels count in that, ``[h, w]``; None: all the same. Of the style's own
                pixels those count that the mask has.
            layers: take the statistics at relu1_1, relu2_1 and relu3_1, too, for a style to refine toward; half as
                much work again.
            color_match: how they get them; None: by mean and covariance.
            size: the short side, pixels, at which the images are seen, which sets the size of the strokes; 0: as they
                are.

        Raises:
            AdaINError: anything above that does not fit.
        """
        check_style_size(size)
        images = scale_short_side(images, size)
        if colors is not None:
            if images.shape[0] == 1:
                images = images.expand(colors.shape[0], -1, -1, -1)
            weights = None if mask is None else to_size(mask, (images.shape[2], images.shape[3]))
            images = (color_match or ColorMatch())(images, colors, weights, colors_opacity)
        style = self.encode(images, mask, tile_size, memory=memory).style
        # Taken now or never: a style does not hold on to its image.
        return replace(style, shallow=ShallowStatistics(style.layers()[:-1]) if layers else None)

    def pooled_style(self, images: Iterable[tuple[Tensor, Tensor | None]]) -> Style:
        """The style of many images, statistics over all their pixels, see `pooled_style.pooled_style`."""
        return pooled_style(self.encode, images)

    def decode(
        self,
        features: Features,
        tile_size: int = 0,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
    ) -> Tensor:
        """Images ``[B, 3, H, W]`` RGB 0..1 of the content's size, see `pipeline.decode`; in smaller tiles if memory
        runs out."""

        def run(tile_size: int, memory: int) -> Tensor:
            return decode(self.decoder, features, tile_size, progress, memory=memory)

        return smaller_when_out_of_memory(run, tile_size, budget(self.device) if memory is None else memory)

    def refine(
        self,
        images: Tensor,
        target: Features,
        goals: Sequence[RefinementGoal],
        steps: int,
        style_weight: float = STYLE_WEIGHT,
        tile_size: int = 0,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
        show: Callable[[Tensor], None] | None = None,
        through_decoder: bool = True,
    ) -> Tensor:
        """Pictures brought closer to content and style, see `refinement.refine`: through the decoder or on pixels."""
        given = (images, target, goals, steps, self.decoder if through_decoder else None)
        return refine(self.encoder, *given, style_weight, tile_size, progress, memory, show)

    def stylize(
        self,
        content: Tensor,
        style: Tensor | Style | Sequence[Tensor | Style],
        alpha: float = 1.0,
        weights: Sequence[float] | None = None,
        channels: Tensor | None = None,
        masks: Tensor | Sequence[Tensor] | None = None,
        preserve_color: bool = False,
        memory: int | None = None,
        progress: ProgressCallback | None = None,
        opacity: Tensor | None = None,
        refine: int = 0,
        style_size: int = 0,
        detail_size: int = 0,
        feather: float = 0.0,
    ) -> Tensor:
        """The content in that style.

        Args:
            content: ``[B, 3, H, W]`` RGB 0..1.
            style: images ``[B or 1, 3, h, w]``, a `Style`, or a list of those.
            alpha: content-style trade-off, 0..1; 0 gives the content itself back.
            weights: with several styles, one weight each, scaled to sum to 1; None: equal.
            channels: channel mask ``[C]``, one weight for each of the encoder's channels; or for each of VGG-19's in
                it, see `channel_masks.over_finer_channels`.
            masks: spatial masks over the content, ``[B or 1, h, w]`` 0..1. One for all styles together, or one per
                style: then each style is applied inside its own mask, all at once (see `regions`), and weights are not
                used. Outside of all masks the content's own pixels stay.
            preserve_color: give each style image the content's colours first (mean and covariance), so that the
                result keeps them (Gatys et al., arXiv:1611.07865, section 5.1). Needs style images, not encoded
                styles.
            memory: bytes each step may take, see `pipeline.encode`.
            progress: called with (done, total) as the work goes on; whatever it raises stops it.
            opacity: of the content, ``[B or 1, H, W]`` or ``[H, W]`` 0..1: how much its pixels count in statistics;
                None: all the same.
            refine: steps of gradient descent through the decoder, see `refinement.refine`: ten bring colours and
                texture much closer to the style, and the picture to the content. Encoded styles need ``layers=True``.
            style_size: scale style images to this short side, pixels, which sets the size of the strokes: larger images
                give broader ones. 0: as they are; needs style images, too.
            detail_size: take the content's statistics at this short side, pixels; one below the content's calms fine
                detail. 0, or more than it has: as it is.
            feather: width of the masks' soft edges in pixels, see `spatial_masks.feathered`; 0: the masks as they are.

        Returns:
            ``[B, 3, H, W]`` RGB 0..1.

        Raises:
            AdaINError: anything above that does not fit, in one sentence.
        """
        check_refinement(refine, self.encoder)
        styles = [style] if isinstance(style, (Tensor, Style)) else list(style)
        check_finite("content", content)
        for given in styles:
            if isinstance(given, Tensor):
                check_finite("style", given)
        regions = [masks] if isinstance(masks, Tensor) else list(masks or ())
        return stylize_frames(
            self,
            content,
            styles,
            alpha,
            weights,
            channels,
            regions,
            preserve_color,
            None,
            progress,
            memory,
            opacity,
            refine,
            style_size,
            detail_size,
            feather,
        )
