from __future__ import annotations

import torch

from adain_core.images.labelled_grid import labelled_grid


def flat(*colour, size=(40, 60)):
    return torch.tensor(colour)[None, :, None, None].expand(1, 3, *size)


RED, GREEN, BLUE = flat(1.0, 0, 0), flat(0, 1.0, 0), flat(0, 0, 1.0)


def test_pictures_are_in_rows_on_white():
    grid = labelled_grid([RED, GREEN, BLUE], ["", "", ""], 2)
    assert grid.shape == (1, 3, 86, 126)
    for picture, (y, x) in ((RED, (0, 0)), (GREEN, (0, 66)), (BLUE, (46, 0))):
        assert torch.equal(grid[..., y : y + 40, x : x + 60], picture)
    assert (grid[..., 46:, 66:] == 1).all()


def test_labels_are_below_and_inside_their_column():
    plain, found = (labelled_grid([RED, BLUE], [a, "x"], 2) for a in ("", "a long label of many words"))
    assert torch.equal(found[..., :40, :60], RED)
    assert (found[..., 40:, :60] < 0.5).any(), "letters"
    assert (found[..., :, 60:66] == 1).all(), "none in the gap"
    assert plain.shape[2] <= found.shape[2]


def test_the_longer_side_becomes_the_cells():
    assert labelled_grid([RED], [""], 1, cell=30).shape == (1, 3, 20, 30)
