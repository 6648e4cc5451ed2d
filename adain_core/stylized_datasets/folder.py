"""What a stylized data set's folder holds beside the images: what it was made of, and what failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..files import check_settings, remove_leftovers, write_json
from ..images.folders import listing_fingerprint
from ..inference.stylizer import Stylizer
from ..models.model_files import fingerprint
from .plan import Settings
from .stylize import Failure

SETTINGS_FILE = "batch.json"
FAILURES_FILE = "failures.json"


def claim(settings: Settings, stylizer: Stylizer) -> None:
    """Notes in the output folder what it is made of.

    Raises:
        AdaINError: the folder was begun with something else, naming what.
    """
    path = settings.output_folder / SETTINGS_FILE
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
    """Writes the report: a list of failures, empty when there are none."""
    write_json(
        settings.output_folder / FAILURES_FILE, sorted(failures, key=lambda f: (f["image"] or "", f["style"] or ""))
    )


def remove_partial_files(settings: Settings, before: float) -> None:
    """Removes what processes killed before a time (as `time.time`) left half written; others may be at work since."""
    folder = settings.output_folder
    remove_leftovers(folder, (SETTINGS_FILE, FAILURES_FILE), before)
    for each in {folder, *(path for path in folder.rglob("*") if path.is_dir())}:
        remove_leftovers(each, (f"*-stylized-*.{settings.format}",), before)
