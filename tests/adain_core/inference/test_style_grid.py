from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Features, Stylizer
from adain_core.inference.style_grid import plan_grid, stylized_cells


def test_alpha_goes_from_the_content_to_its_value():
    cells = plan_grid(1, 5, alpha=0.8)
    assert [cell.alpha for cell in cells] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert {cell.weights for cell in cells} == {(1.0,)}
    assert [cell.label for cell in cells][1] == "alpha 0.20"


def test_two_styles_make_a_row():
    cells = plan_grid(2, 3)
    assert [cell.weights for cell in cells] == [(1, 0), (0.5, 0.5), (0, 1)]
    assert [cell.label for cell in cells] == ["100 : 0", "50 : 50", "0 : 100"]


def test_four_styles_are_in_the_corners():
    cells = plan_grid(4, 5)
    assert len(cells) == 25
    for number, place in enumerate((0, 4, 20, 24)):
        assert cells[place].weights == tuple(float(k == number) for k in range(4))
    assert cells[12].weights == (0.25,) * 4
    assert cells[1].weights == (0.75, 0.25, 0, 0), "to the right the second comes in"
    assert cells[5].weights == (0.75, 0, 0.25, 0), "downward the third"
    assert all(sum(cell.weights) == pytest.approx(1) for cell in cells)


def test_what_cannot_be_planned():
    with pytest.raises(AdaINError, match="styles: expected 1, 2 or 4 for a grid, found 3"):
        plan_grid(3, 5)
    for steps in (1, 17):
        with pytest.raises(AdaINError, match=f"steps: expected a number of 2 to 16, found {steps}"):
            plan_grid(1, steps)
    with pytest.raises(AdaINError, match="alpha"):
        plan_grid(1, 2, alpha=1.5)


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


def test_cells_equal_stylizing_each_and_nothing_is_encoded(stylizer, monkeypatch):
    photo = torch.rand(1, 3, 41, 56)
    paintings = [torch.rand(1, 3, 64, 48) * k / 4 for k in range(1, 5)]
    content, styles = stylizer.encode(photo), [stylizer.style(painting) for painting in paintings]
    monkeypatch.setattr(Stylizer, "encode", lambda *_: pytest.fail("encoded again"))
    cells = plan_grid(4, 2, alpha=0.7)
    found = list(stylized_cells(stylizer.decode, content, styles, cells))
    monkeypatch.undo()
    for picture, style in zip(found, styles, strict=True):
        torch.testing.assert_close(picture, stylizer.stylize(photo, style, alpha=0.7), atol=1e-5, rtol=0)
    middle = next(stylized_cells(stylizer.decode, content, styles, plan_grid(4, 3)[4:5]))
    torch.testing.assert_close(middle, stylizer.stylize(photo, styles), atol=1e-5, rtol=0)


def test_one_content_and_styles_of_one_image(stylizer):
    style, content = stylizer.style(torch.rand(1, 3, 32, 32)), stylizer.encode(torch.rand(2, 3, 32, 32))

    def decode(features: Features):
        pytest.fail("decoded")

    with pytest.raises(AdaINError, match="content: expected one image for a grid, found 2"):
        next(stylized_cells(decode, content, [style], plan_grid(1, 2)))
    one = content._replace(tensor=content.tensor[:1])
    with pytest.raises(AdaINError, match="style: expected one image for a grid, found 2"):
        next(stylized_cells(decode, one, [content.style], plan_grid(1, 2)))
