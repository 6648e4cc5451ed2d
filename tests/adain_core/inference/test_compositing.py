"""Outside the mask the photo's own pixels, at alpha 0 the photo: a promise users read into the words."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from adain_core import Stylizer
from adain_core.cli.main import main
from adain_core.inference import stylize_file
from adain_core.inference.compositing import composite, stylized_share


def test_regions_that_add_up_to_one_are_stylized_everywhere():
    ramp = torch.linspace(0, 1, 16 * 24).view(1, 16, 24)
    torch.testing.assert_close(stylized_share([ramp, 1 - ramp], (16, 24)), torch.ones(1, 16, 24))
    assert torch.equal(stylized_share([ramp, ramp], (16, 24)), (2 * ramp).clamp(max=1))


def test_the_photo_to_the_bit_where_nothing_is_stylized():
    content, stylized = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    share = torch.zeros(1, 8, 8)
    share[..., 4:] = 0.25
    result = composite(content, stylized, share)
    assert torch.equal(result[..., :4], content[..., :4])
    torch.testing.assert_close(result[..., 4:], 0.75 * content[..., 4:] + 0.25 * stylized[..., 4:])


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


def test_stylize_keeps_the_photo_outside_the_mask(stylizer):
    content, style, mask = torch.rand(9, 3, 37, 50), torch.rand(1, 3, 32, 32), torch.zeros(9, 37, 50)
    mask[:8, :, 25:] = 1
    result = stylizer.stylize(content, style, masks=mask)
    assert torch.equal(result[8], content[8])
    assert torch.equal(result[:8, :, :, :25], content[:8, :, :, :25])
    assert (result[:8, :, :, 32:] - content[:8, :, :, 32:]).abs().mean() > 0.05


def test_alpha_0_is_the_photo(stylizer):
    content, told = torch.rand(1, 3, 37, 50), []
    style = torch.rand(1, 3, 32, 32)
    result = stylizer.stylize(content, style, alpha=0, progress=lambda done, total: told.append(done / total))
    assert torch.equal(result, content)
    assert told == [1]


@pytest.fixture
def files(examples, tmp_path):
    with Image.open(examples / "content_chelsea.jpg") as image:
        image.crop((100, 60, 190, 130)).save(tmp_path / "photo.png")
    with Image.open(examples / "style_tissue.jpg") as image:
        image.resize((64, 64)).save(tmp_path / "style.png")
    mask = Image.new("L", (45, 35), 0)  # half of the photo's size
    mask.paste(255, (0, 0, 20, 35))
    mask.save(tmp_path / "mask.png")
    return tmp_path


@pytest.mark.parametrize(("in_tiles", "libvips"), [(False, True), (True, True), (True, False)])
def test_on_the_command_line(files, monkeypatch, in_tiles, libvips):
    if in_tiles:
        pytest.importorskip("pyvips")
        monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: 1 << 60)
        if not libvips:
            monkeypatch.setattr("adain_core.images.large_files.pyvips", None)
    photo = Image.open(files / "photo.png")
    for name, arguments, left in (("alpha.png", ["--alpha", "0"], 0), ("mask.png", ["--mask", "mask.png"], 44)):
        arguments = [str(files / a) if a.endswith(".png") else a for a in arguments]
        command = ["stylize", str(files / "photo.png"), str(files / "style.png"), "-o", str(files / f"out_{name}")]
        assert main([*command, "--style-size", "0", "--device", "cpu", *arguments]) == 0
        with Image.open(files / f"out_{name}") as result:
            box = (left, 0, *photo.size)
            assert result.crop(box).tobytes() == photo.crop(box).tobytes()
            if left:
                assert result.crop((0, 0, 40, 70)).tobytes() != photo.crop((0, 0, 40, 70)).tobytes()
