"""Measures, against closed forms and the pack's own losses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core.comparison.measures import as_saved, judge, load_judge, losses, ssim
from adain_core.errors import AdaINError
from adain_core.images.files import load_picture
from adain_core.images.resize import center_crop
from adain_core.models.bundled import VGG19_ENCODER
from adain_core.models.model_files import load_vgg

JUDGE = """
def features(images):
    return images.mean(dim=(2, 3))


def style_distance(output, style):
    return (output - style).abs().sum()


def content_distance(output, content):
    return (output - content).abs().max()
"""


@pytest.fixture(scope="module")
def photo(examples):
    return center_crop(load_picture(examples / "content_chelsea.jpg").pixels[0], 96)[None]


@pytest.fixture(scope="module")
def vgg():
    return load_vgg(VGG19_ENCODER)


def test_losses(vgg, photo):
    content, style = photo[..., :64, :64], photo[..., :64, :64].flip(1)
    measure = losses(vgg)(content, style)
    assert measure(content)["content"] == 0
    assert measure(style)["style"] == pytest.approx(0, abs=1e-6)
    other = as_saved(content * 0.5)
    with torch.no_grad():
        assert measure(other)["content"] == pytest.approx(F.mse_loss(vgg(other), vgg(content)).item(), rel=1e-4)
        wanted = sum(
            F.mse_loss(a.mean((2, 3)), b.mean((2, 3))).item()
            + F.mse_loss(*((x.var((2, 3), correction=0) + 1e-5).sqrt() for x in (a, b))).item()
            for a, b in zip(vgg.taps(other), vgg.taps(style), strict=True)
        )
    assert measure(other)["style"] == pytest.approx(wanted, rel=1e-3)


def test_structural_similarity_needs_room_for_its_window():
    pytest.importorskip("skimage")
    for side, names in ((8, set()), (11, {"SSIM"})):
        picture = torch.rand(1, 3, side, side)
        assert ssim(picture, picture)(picture).keys() == names


def test_structural_similarity_of_flat_pictures():
    """Without structure it is that of the means: ``(2 a b + c) / (a^2 + b^2 + c)`` with c = 0.01^2."""
    pytest.importorskip("skimage")
    a, b = 0.3, 0.6
    measure = ssim(torch.full((1, 3, 32, 32), a), torch.zeros(1, 3, 32, 32))
    assert measure(torch.full((1, 3, 32, 32), a)) == {"SSIM": pytest.approx(1)}
    found = measure(torch.full((1, 3, 32, 32), b))["SSIM"]
    assert found == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), rel=1e-4)


def test_a_judge_of_ones_own(tmp_path):
    (tmp_path / "judge.py").write_text(JUDGE)
    black, grey = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5)
    assert judge(tmp_path / "judge.py")(black, grey)(grey) == {"judge's style": 0, "judge's content": 0.5}


def test_a_file_that_is_no_judge(tmp_path):
    (tmp_path / "judge.py").write_text("def features(images):\n    return images\n")
    with pytest.raises(AdaINError, match="to define style_distance and content_distance"):
        load_judge(tmp_path / "judge.py")
    with pytest.raises(AdaINError, match="expected a Python file"):
        load_judge(tmp_path / "none.py")
