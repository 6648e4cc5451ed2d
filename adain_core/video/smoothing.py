"""Stylized video with less flicker.

Flicker has two causes. Each has a remedy, which starts anew at every scene cut:

- A change in a part of the frame changes the content's statistics, and so AdaIN changes the whole picture. The
  statistics are smoothed over time: ``m_t = s m_(t-1) + (1 - s) x_t``. (A change of the whole frame's exposure is
  removed by AdaIN itself, and smoothed statistics let it through.)
- Noise, and motion by less than one position of the feature grid, change what the decoder paints. The last output is
  warped along the optical flow of the original frames and blended in: ``o_t + s c (warp(o_(t-1)) - o_t)``, where c is
  the trust in that flow. The mean of different brush strokes is pale, so the contrast of ``o_t`` is restored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import AdaINError, check_batch
from ..images.resize import scale_short_side
from ..method.adain import adain
from ..method.content_statistics import content_statistics
from ..method.features import Features, deepest
from ..method.normalization import Statistics
from ..method.spatial_masks import to_feature_grid
from ..method.style import Style
from ..progress import ProgressCallback
from .contrast import restore_contrast
from .optical_flow import consistent, flow_both_ways, warp
from .scene_cuts import CutDetector

DEFAULT_STRENGTH = 0.5
_FLOW_SIDE = 288  # pixels of the shorter side that flow is computed at, at most: 1080p at about a quarter
_ALIKE = 0.08  # mean difference of RGB over 5x5 pixels at which confidence in the flow has fallen to 1/e
_STATE = ("mean", "std", "frame", "output")
_CUTS = "cuts."


class TemporalSmoother:
    """Stylizes the frames of one video in their order.

    Example:
        >>> from adain_core import Stylizer
        >>> stylizer = Stylizer.load(device="cpu")
        >>> style = stylizer.style(torch.rand(1, 3, 64, 64))
        >>> smoother = TemporalSmoother(flow=True)
        >>> for frame in torch.rand(2, 1, 3, 40, 56):
        ...     features, cuts = smoother.apply(stylizer.encode(frame), style)
        ...     out = smoother.blend(stylizer.decode(features), frame, cuts)
        >>> out.shape
        torch.Size([1, 3, 40, 56])

    Args:
        strength: how much of the frames before is kept, 0 (each frame by itself) .. 1 (the first frame's statistics
            until the next cut).
        flow: blend outputs along the optical flow; without it `blend` changes nothing.

    Raises:
        AdaINError: strength outside 0..1 or not finite.
    """

    def __init__(self, strength: float = DEFAULT_STRENGTH, flow: bool = False) -> None:
        if not math.isfinite(strength) or not 0 <= strength <= 1:
            raise AdaINError(f"smoothing: expected a number from 0 (none) to 1, found {strength}")
        self.strength, self.flow = strength, flow
        self._cuts = CutDetector()
        self._statistics: Statistics | None = None
        self._frame: Tensor | None = None
        self._output: Tensor | None = None

    @property
    def blends(self) -> bool:
        """Whether `blend` changes anything."""
        return self.flow and self.strength > 0

    @torch.inference_mode()
    def apply(
        self,
        content: Features,
        style: Style,
        alpha: float = 1.0,
        channels: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Features, list[bool]]:
        """`pipeline.apply_style` with the content's statistics smoothed.

        Args:
            content: features of the next frame, or of the next few.
            style, alpha, channels, mask: as there.

        Returns:
            Stylized features, and for each frame whether it begins a scene; the first one does.
        """
        style = style.seen_by(content.encoder_id, content.tensor.shape[1])
        region, empty = None, [False] * len(content.tensor)
        if mask is not None:
            region = to_feature_grid(mask, content.size).to(content.tensor.device)
            check_batch("mask", len(region), len(empty))
            region = region.expand(len(empty), -1, -1)
            empty = (region <= 0).flatten(1).all(dim=1).tolist()
        cuts = [self._cuts.add(frame) for frame in torch.split(deepest(content.tensor), 1)]
        known = self._smooth(content_statistics(content, region), cuts, empty)
        target = style.to(content.tensor.device).statistics
        stylized = adain(content.tensor, target, alpha, channels, region, known)
        return content._replace(tensor=stylized, mask=None, measured=None, stylized=True), cuts

    @torch.inference_mode()
    def blend(
        self, outputs: Tensor, frames: Tensor, cuts: Sequence[bool], progress: ProgressCallback | None = None
    ) -> Tensor:
        """The decoded frames, blended with what came before along the flow of the originals.

        Args:
            outputs: what the decoder made of the features of `apply`, ``[B, 3, H, W]`` RGB 0..1.
            frames: the original frames, the same shape.
            cuts: as `apply` returned them.
            progress: told after each frame that is blended; whatever it raises stops the work.

        Returns:
            ``[B, 3, H, W]`` RGB 0..1, on the outputs' device.

        Raises:
            AdaINError: shapes or numbers that differ.
        """
        if outputs.shape != frames.shape or len(cuts) != len(frames):
            raise AdaINError(
                f"frames: expected {list(outputs.shape)} like the outputs and as many cuts, found "
                f"{list(frames.shape)} and {len(cuts)}"
            )
        if not self.blends:
            return outputs
        blended = []
        for output, frame, cut in zip(torch.split(outputs, 1), torch.split(frames, 1), cuts, strict=True):
            small = _reduced(frame)
            if (found := self._before(output, small, cut)) is not None:
                before, trust = found
                output = restore_contrast(torch.lerp(output, before, self.strength * trust), output)
            self._frame, self._output = small, output
            blended.append(output)
            if progress is not None:
                progress(len(blended), len(frames))
        return torch.cat(blended)

    @torch.inference_mode()
    def carried(self, output: Tensor, frame: Tensor, cut: bool) -> Tensor:
        """Where refining begins: the last output carried along the flow where that can be trusted, else the decoder's.

        Args:
            output: what the decoder made of the next frame, ``[1, 3, H, W]`` RGB 0..1.
            frame: that frame, the same shape.
            cut: whether it begins a scene; then nothing is carried.

        Returns:
            The output's shape, and its device.
        """
        found = self._before(output, _reduced(frame), cut)
        return output if found is None else torch.lerp(output, *found)

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on from here, equal to the bit: tensors on the CPU, none at the start."""
        mean, std = self._statistics or (None, None)
        tensors = dict(zip(_STATE, (mean, std, self._frame, self._output), strict=True))
        own = {name: tensor.cpu().clone() for name, tensor in tensors.items() if tensor is not None}
        return own | {_CUTS + name: tensor for name, tensor in self._cuts.state().items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from what `state` gave, with the same strength and flow."""
        mean, std, self._frame, self._output = (state.get(name) for name in _STATE)
        self._statistics = None if mean is None or std is None else Statistics(mean, std)
        self._cuts.restore({name[len(_CUTS) :]: state[name] for name in state if name.startswith(_CUTS)})

    def _before(self, output: Tensor, small: Tensor, cut: bool) -> tuple[Tensor, Tensor] | None:
        """The last output as the next one's motion moves it, and how far to trust that; None where a scene begins."""
        last, shown = self._frame, self._output
        if cut or last is None or shown is None or shown.shape != output.shape:
            return None
        flow, trust = _enlarged(*_motion(small, last.to(small)), output)
        return warp(shown.to(output), flow, "bicubic").clamp(0, 1), trust

    def _smooth(self, fresh: Statistics, cuts: Sequence[bool], empty: Sequence[bool]) -> Statistics:
        """Each frame's statistics, smoothed. Where its mask is empty a frame has none, and the last ones are kept."""
        smoothed = []
        means, stds = torch.split(fresh.mean, 1), torch.split(fresh.std, 1)
        for mean, std, cut, none in zip(means, stds, cuts, empty, strict=True):
            now, before = Statistics(mean, std), None if cut else self._statistics
            if before is not None:
                # In this form equal statistics stay equal to the bit, and strength 0 gives the frame's own.
                now = Statistics(*(x + self.strength * (old.to(x) - x) for x, old in zip(now, before, strict=True)))
            if not none or cut:
                self._statistics = None if none else now
            smoothed.append(now)
        return Statistics(*(torch.cat(parts) for parts in zip(*smoothed, strict=True)))


def _reduced(frame: Tensor) -> Tensor:
    """A frame at the size flow is computed at, and where: devices other than CUDA lack operations that it takes."""
    frame = frame.float() if frame.device.type == "cuda" else frame.float().cpu()
    return scale_short_side(frame, min(_FLOW_SIDE, *frame.shape[2:]))


def _motion(frame: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Flow from a frame to the one before, ``[1, 2, h, w]``, and how far to trust it, ``[1, 1, h, w]`` 0..1.

    A flow is trusted where it is consistent and the pixels look as they did: light changes where nothing moves.
    """
    flow, back = flow_both_ways(frame, before)
    difference = (warp(before, flow) - frame).abs().mean(dim=1, keepdim=True)
    difference = F.avg_pool2d(difference, 5, 1, 2, count_include_pad=False)
    return flow, consistent(flow, back) * torch.exp(-((difference / _ALIKE) ** 2))


def _enlarged(flow: Tensor, trust: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """Both at the output's size, on its device."""
    size = output.shape[2:]
    if flow.shape[2:] != size:
        scale = flow.new_tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]])[:, None, None]
        flow = F.interpolate(flow * scale, size, mode="bilinear")
        trust = F.interpolate(trust, size, mode="bilinear")
    return flow.to(output), trust.to(output)
