"""The wheel: what is in it, and that it stylizes a photo where nothing else of the project is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import ROOT

pytestmark = pytest.mark.slow
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # With the hatchling of requirements-dev.txt: nothing is downloaded.
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory) -> Path:
    """Programs of an empty environment with the wheel in it; what the wheel needs comes from this environment."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run(*PIP, "--python", programs / "python", "install", "--no-deps", "--no-index", wheel)
    site = run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # PyTorch has gigabytes: not installed again. The environment's own packages come first.
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return programs


def test_the_wheel_holds_the_core_its_weights_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        weights = {name: archive.read(name) for name in names if name.startswith("adain_core/weights/")}
    sources = {f"adain_core/{path.relative_to(ROOT / 'adain_core').as_posix()}" for path in core_files()}
    pairs = ("decoder_vgg19", "fine_decoder", "fine_encoder", "light_decoder", "light_encoder", "vgg19_relu4_1")
    styles = [f"styles/{path.name}" for path in (ROOT / "weights" / "styles").iterdir()]
    files = ("README.md", "channel_clusters.json", *(f"{name}.safetensors" for name in pairs), *styles)
    assert weights == {f"adain_core/weights/{name}": (ROOT / "weights" / name).read_bytes() for name in files}
    assert "adain_core/py.typed" in sources
    assert {name for name in names if ".dist-info/" not in name} == sources | set(weights)


def core_files() -> list[Path]:
    return [path for path in (ROOT / "adain_core").rglob("*") if path.is_file() and path.suffix != ".pyc"]


def test_the_wheel_asks_for_what_comfyui_installs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    needed = {requirement for requirement in metadata.get_all("Requires-Dist") if "extra ==" not in requirement}
    assert needed == set((ROOT / "requirements.txt").read_text().split())


def test_installed_it_stylizes_a_photo(programs, tmp_path):
    photo, painting = (ROOT / "examples" / name for name in ("content_astronaut.jpg", "style_starry_night.jpg"))
    run(programs / "adain", "stylize", photo, painting, "-o", "out.png", cwd=tmp_path)
    before, after = Image.open(photo).convert("RGB"), Image.open(tmp_path / "out.png").convert("RGB")
    assert after.size == before.size
    changed = np.abs(np.asarray(after, dtype=int) - np.asarray(before, dtype=int)).mean()
    assert 10 < changed < 128  # of 255: a style, and not noise or one colour
    assert np.asarray(after).std() > 20


def test_installed_it_is_the_one_in_the_environment_and_knows_its_version(programs, tmp_path):
    show = "import adain_core; print(adain_core.__file__); print(adain_core.__version__)"
    file, version = run(programs / "python", "-c", show, cwd=tmp_path).splitlines()
    assert programs.parent in Path(file).parents
    assert [version] == re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_it_is_called_as_it_was_started(programs, tmp_path):
    assert run(programs / "adain", "stylize", "--help", cwd=tmp_path).startswith("usage: adain stylize ")
    module = run(programs / "python", "-m", "adain_core", "stylize", "--help", cwd=tmp_path)
    assert module.startswith("usage: python -m adain_core stylize ")
