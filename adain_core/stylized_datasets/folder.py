"""What a stylized data set's folder holds beside the images: what it was made of, and what failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..errors import AdaINError
from ..files import check_settings, remove_leftovers, write_json
from ..images.folders import listing_fingerprint
from ..inference.stylizer import Stylizer
from ..models.model_files import fingerprint
from .plan import Settings
from .stylize import Failure

SETTINGS_FILE = "batch.json"
FAILURES_FILE = "failures.json"


def check_output_folder(settings: Settings, stylizer: Stylizer, outputs: Iterable[str]) -> None:
    """Writes to the output folder what it is made of, or compares that with what an earlier run wrote.

    Args:
        settings: of the data set.
        stylizer: the models.
        outputs: all files of the data set, relative to the output folder.

    Raises:
        AdaINError: the folder was begun with other settings, which are named; or no run was begun in it, and a file is
            there that this one would write.
    """
    path = settings.output_folder / SETTINGS_FILE
    if not path.exists():
        for name in (FAILURES_FILE, *outputs):
            if os.path.lexists(settings.output_folder / name):
                raise AdaINError(
                    f"{settings.output_folder / name}: this file was not made by batch (its folder has no "
                    f"{SETTINGS_FILE}) and would be replaced; use another folder"
                )
    found: dict[str, object] = {
        key: str(value) if isinstance(value, Path) else value for key, value in asdict(settings).items()
    }
    del found["output_folder"]
    found |= {
        "alpha": list(settings.alpha),
        "style_images": listing_fingerprint(settings.style_folder),
        "encoder": stylizer.encoder.fingerprint,
        "decoder": fingerprint(stylizer.decoder.state_dict(), stylizer.decoder.architecture),
    }
    check_settings(path, found, "use another folder")


def write_failures(settings: Settings, failures: Iterable[Failure]) -> None:
    """Writes the report: the list of failures in order, which may be empty."""
    # Several machines may find the same style to be unreadable.
    found = {(each["image"] or "", each["style"] or ""): each for each in failures}
    write_json(settings.output_folder / FAILURES_FILE, [each for _, each in sorted(found.items())])


def unreadable_styles(settings: Settings) -> list[Failure]:
    """The styles that an earlier run in the folder found to be unreadable, as its report has them.

    `check_output_folder` makes sure that the style files are still the same.
    """
    try:
        report = json.loads((settings.output_folder / FAILURES_FILE).read_text(encoding="utf-8"))
        return [each for each in report if each["image"] is None and isinstance(each["style"], str)]
    except (OSError, ValueError, TypeError, LookupError):  # no report, or not one of ours
        return []


def remove_partial_files(settings: Settings, before: float) -> None:
    """Removes the temporary files of runs that were killed.

    Args:
        settings: of the data set.
        before: only files last changed before this time, as `time.time` has it: other runs may be writing newer ones.
    """
    folder = settings.output_folder
    remove_leftovers(folder, (SETTINGS_FILE, FAILURES_FILE), before)
    for each in {folder, *(path for path in folder.rglob("*") if path.is_dir())}:
        remove_leftovers(each, (f"*-stylized-*.{settings.format}",), before)
