"""One picture of many, each with a label under it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .files import to_image, to_tensor
from .resize import scale

_GAP = 6  # pixels between pictures
_SMALLEST_TEXT = 10  # pixels


def labelled_grid(pictures: Sequence[Tensor], labels: Sequence[str], columns: int, cell: int = 0) -> Tensor:
    """Pictures of one size in rows on white, each with its label under it.

    Args:
        pictures: ``[1, 3, H, W]`` RGB 0..1 each.
        labels: one for each picture; long ones are broken between words, and written smaller until they fit. All
            empty: no room is left for them.
        columns: how many are side by side.
        cell: their longer side in the grid, pixels; 0: as they are.

    Returns:
        ``[1, 3, h, w]`` RGB 0..1, float32, on the CPU.
    """
    small = [scale(p.float().cpu(), cell / max(p.shape[2:]) if cell else 1.0) for p in pictures]
    height, width = small[0].shape[2:]
    text = max(_SMALLEST_TEXT, width // 9) if any(labels) else 0
    lines = max(len(_broken(label, width, text)[0]) for label in labels) if text else 0
    step_x, step_y = width + _GAP, height + _GAP + lines * text * 5 // 4
    sheet = Image.new(
        "RGB", (columns * step_x - _GAP, -(-len(small) // columns) * step_y - (0 if text else _GAP)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for k, (picture, label) in enumerate(zip(small, labels, strict=True)):
        left, top = k % columns * step_x, k // columns * step_y
        sheet.paste(to_image(picture[0]), (left, top))
        if label:
            broken, size = _broken(label, width, text)
            place = left + width / 2, top + height + _GAP / 2
            draw.multiline_text(place, "\n".join(broken), "black", ImageFont.load_default(size), "ma", 0, "center")
    return to_tensor(sheet)


def _broken(label: str, width: int, size: int) -> tuple[list[str], int]:
    """A label in lines that fit into a width, and the size of its letters, at most the given one."""
    font = ImageFont.load_default(size)
    lines: list[str] = []
    for word in label.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if size > _SMALLEST_TEXT and (len(lines) > 2 or any(font.getlength(line) > width for line in lines)):
        return _broken(label, width, size - 1)
    return lines, size
