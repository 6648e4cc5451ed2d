from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from adain_core import Stylizer, load_style
from adain_core.cli.main import main
from adain_core.images.files import load_picture
from adain_core.models.style_library import LIBRARY


def test_from_an_image_to_a_style_file(examples, tmp_path):
    photo, painting, out = tmp_path / "photo.png", examples / "style_tissue.jpg", tmp_path / "grid.png"
    with Image.open(examples / "content_chelsea.jpg") as image:
        image.crop((100, 60, 190, 130)).save(photo)
    given = [str(photo), str(painting), "munch_scream.safetensors", "--style-size", "64", "--steps", "2", "--cell", "0"]
    assert main(["grid", *given, "-o", str(out)]) == 0
    grid, stylizer = load_picture(out).pixels, Stylizer.load(device="cpu")
    assert grid.shape[3] == 2 * 90 + 6
    assert grid.shape[2] > 70
    expected = stylizer.stylize(load_picture(photo).pixels, load_style(LIBRARY / "munch_scream.safetensors"))
    torch.testing.assert_close(grid[..., :70, 96:], expected, atol=0.5 / 255 + 1e-5, rtol=0)


def test_what_is_transparent_in_the_content_plays_no_part(examples, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "grid.png"
    with Image.open(examples / "content_chelsea.jpg") as image:
        cut = image.convert("RGBA").resize((96, 64))
    cut.putalpha(Image.fromarray(np.uint8([[255, 0]]).repeat(64, 0).repeat(48, 1)))
    cut.save(photo)
    given = [str(photo), "munch_scream", "--steps", "2", "--cell", "0", "--device", "cpu", "-o", str(out)]
    assert main(["grid", *given]) == 0
    grid, stylizer, content = load_picture(out).pixels, Stylizer.load(device="cpu"), load_picture(photo)
    style = load_style(LIBRARY / "munch_scream.safetensors")
    expected = stylizer.stylize(content.filled, style, opacity=content.opacity)
    # What is beyond the edge changes only what is near it.
    assert (grid[..., :64, 102 : 102 + 16] - expected[..., :16]).abs().max() < 0.02


def test_three_styles_are_one_line(tmp_path, capsys):
    assert main(["grid", "photo.png", "a.jpg", "b.jpg", "c.jpg", "-o", str(tmp_path / "grid.png")]) == 2
    assert capsys.readouterr().err == "error: styles: expected 1, 2 or 4 for a grid, found 3\n"
