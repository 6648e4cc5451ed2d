"""Names beside their points, none over another."""

from __future__ import annotations

import random
from itertools import combinations

from adain_core.comparison.label_places import label_places

FRAME = (0.0, 0.0, 400.0, 300.0)
SIZE = (60.0, 16.0)


def boxes(points, lines=()):
    return [
        (left, top, left + SIZE[0], top + SIZE[1])
        for left, top in label_places(points, lines, [SIZE] * len(points), FRAME)
    ]


def overlap(a, b):
    return a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]


def distance(box, point):
    return max(box[0] - point[0], point[0] - box[2], box[1] - point[1], point[1] - box[3])


def test_a_single_name_is_at_the_right():
    ((left, top, _, bottom),) = boxes([(100.0, 100.0)])
    assert left > 100
    assert (top + bottom) / 2 == 100


def test_a_name_goes_where_its_line_does_not():
    point = (200.0, 150.0)
    (box,) = boxes([point], [(point, (400.0, 150.0))])
    assert box[2] < 200


def test_a_name_at_the_edge_stays_inside():
    for point in ((395.0, 150.0), (5.0, 150.0), (200.0, 2.0), (398.0, 298.0)):
        ((left, top, right, bottom),) = boxes([point])
        assert left >= 0
        assert top >= 0
        assert right <= 400
        assert bottom <= 300


def test_names_of_points_close_together_do_not_overlap():
    chance = random.Random(0)
    for _ in range(50):
        points = [(chance.uniform(90, 310), chance.uniform(40, 120)) for _ in range(2)]
        points += [(points[0][0] + chance.uniform(-20, 20), points[0][1] + chance.uniform(-20, 20))]
        points += [(chance.uniform(90, 310), chance.uniform(180, 280))]
        found = boxes(points)
        assert not any(overlap(a, b) for a, b in combinations(found, 2))
        assert all(0 < distance(box, point) < 10 for box, point in zip(found, points, strict=True))
