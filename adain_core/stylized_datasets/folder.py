"""What a stylized data set's folder holds beside the images: what it was made of, and what failed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ..errors import AdaINError
from ..files import atomic_write
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
    if not path.exists():
        _write_json(path, found)
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise AdaINError(
            f"{path}: expected the settings of a run, found a file that cannot be read ({error})"
        ) from None
    changed = [key for key in sorted(before | found) if before.get(key) != found.get(key)]
    if changed:
        raise AdaINError(
            f"{path}: expected the settings this folder was begun with, found other values of {', '.join(changed)}; "
            "use another folder"
        )


def write_failures(settings: Settings, failures: Iterable[Failure]) -> None:
    """Writes the report: a list of failures, empty when there are none."""
    _write_json(
        settings.output_folder / FAILURES_FILE, sorted(failures, key=lambda f: (f["image"] or "", f["style"] or ""))
    )


def remove_partial_files(settings: Settings, before: float) -> None:
    """Removes what processes killed before a time (as `time.time`) left half written; others may be at work since."""
    for name in (f"*-stylized-*.????????.{settings.format}", "batch.????????.json", "failures.????????.json"):
        for path in settings.output_folder.rglob(f".{name}"):
            with suppress(FileNotFoundError):  # finished meanwhile
                if path.stat().st_mtime < before:
                    path.unlink()


def _write_json(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
