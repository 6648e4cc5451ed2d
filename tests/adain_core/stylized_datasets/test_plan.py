"""The plan of a stylized data set: which styles, and the names of the outputs."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from adain_core.files import atomic_write
from adain_core.stylized_datasets.plan import Settings, plan

STYLES = [f"style{k}.jpg" for k in range(5)]


def settings(**values):
    return Settings(Path("/content"), Path("/style"), Path("/out"), **values)


def test_the_choice_is_the_same_on_every_machine_and_in_every_version():
    targets = plan(settings(styles_per_image=2, seed=3, alpha=(0.5, 1.0)), "sub/cat.jpg", STYLES)
    assert [(t.style, round(t.alpha, 6), t.output) for t in targets] == [
        ("style4.jpg", 0.735515, "sub/cat.jpg-stylized-1-style4.jpg"),
        ("style3.jpg", 0.652196, "sub/cat.jpg-stylized-2-style3.jpg"),
    ]


def test_choices_are_even_and_differ_within_an_image():
    drawn = [plan(settings(styles_per_image=2, alpha=(0.2, 0.6)), f"{k}.jpg", STYLES) for k in range(1000)]
    assert all(first.style != second.style for first, second in drawn)
    counts = Counter(target.style for targets in drawn for target in targets)
    assert all(abs(counts[style] - 400) < 80 for style in STYLES)  # five standard deviations
    alphas = [target.alpha for targets in drawn for target in targets]
    assert 0.2 <= min(alphas) < 0.21
    assert 0.59 < max(alphas) <= 0.6
    assert abs(sum(alphas) / len(alphas) - 0.4) < 0.015


def test_more_styles_for_an_image_keep_the_first():
    one, three = (plan(settings(styles_per_image=n, alpha=(0, 1)), "a.jpg", STYLES) for n in (1, 3))
    assert three[:1] == one


def test_names_never_collide():
    given = settings(styles_per_image=2)
    styles = ["one/x.jpg", "two/x.jpg"]
    names = [t.output for image in ("a.jpg", "a.png", "sub/a.jpg") for t in plan(given, image, styles)]
    assert len(set(names)) == 6
    assert names[0] == "a.jpg-stylized-1-x.jpg"


def test_long_names_are_cut_and_stay_apart(tmp_path):
    given = settings(styles_per_image=2)
    long = "sub/" + "\u00e9" * 120
    names = [t.output for image in (f"{long}a.jpg", f"{long}b.jpg") for t in plan(given, image, ["one.jpg", "two.jpg"])]
    assert len(set(names)) == 4
    for name in names:
        assert name.startswith("sub/\u00e9\u00e9")
        assert re.fullmatch(r".*~[0-9a-f]{8}-stylized-[12]-(one|two)\.jpg", name)
        path = tmp_path / name
        with atomic_write(path) as temporary:
            temporary.write_text("")
        assert path.exists()


def test_unreadable_styles_are_replaced_and_the_others_stay():
    given = settings(styles_per_image=3, alpha=(0, 1))
    for k in range(50):
        image = f"{k}.jpg"
        before = plan(given, image, STYLES)
        bad = before[1].style
        after = plan(given, image, STYLES, {bad})
        assert after[::2] == before[::2]
        assert after[1].style not in [target.style for target in before]
        assert after[1].alpha == before[1].alpha
        # Of those two that are left, whichever is found to be unreadable later, the other one is taken.
        last = plan(given, image, STYLES, {bad, after[1].style})
        assert last[::2] == before[::2]
        assert last[1].style not in {bad, after[1].style}
        assert plan(given, image, STYLES, {bad, after[1].style, last[1].style}) == before  # none is left
