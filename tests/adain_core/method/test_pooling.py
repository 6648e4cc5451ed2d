from __future__ import annotations

import torch

from adain_core.method.normalization import channel_statistics
from adain_core.method.pooling import pool


def test_equals_the_statistics_of_all_positions_together():
    maps = [
        torch.randn(1, 6, h, w) * scale + shift for h, w, scale, shift in ((3, 5, 1, 0), (8, 8, 4, 9), (1, 2, 0, 3))
    ]
    found = pool([channel_statistics(x) for x in maps], [x[0, 0].numel() for x in maps])
    together = torch.cat([x.flatten(2) for x in maps], dim=2)[..., None]
    torch.testing.assert_close(found, channel_statistics(together), atol=1e-5, rtol=1e-5)


def test_masks_count_as_weights():
    maps, masks = torch.randn(2, 1, 6, 7, 7), torch.rand(2, 1, 7, 7)
    found = pool([channel_statistics(x, m) for x, m in zip(maps, masks, strict=True)], [float(m.sum()) for m in masks])
    together = torch.cat([*maps], dim=3), torch.cat([*masks], dim=2)
    torch.testing.assert_close(found, channel_statistics(*together))


def test_one_part_stays_as_it_is():
    part = channel_statistics(torch.randn(1, 6, 4, 4) * 1e-3)
    torch.testing.assert_close(pool([part], [16]), part)
