"""A real ComfyUI server with the pack in it, for tests: found, started on a temporary folder, asked over its API."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
PACK_FOLDER = "adain-style-transfer"
EXAMPLE_INPUT = "example.png"  # what every ComfyUI has in its input folder
_START_SECONDS = 180
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Installation:
    """A ComfyUI on disk: its folder, the Python that runs it, and its version, such as ``0.33.0``."""

    folder: Path
    python: Path
    version: str

    def since(self, version: str) -> bool:
        """Whether it is of this version, given as ``0.33``, or newer."""
        return tuple(map(int, self.version.split(".")[:2])) >= tuple(map(int, version.split(".")))


@contextmanager
def own_server() -> Iterator[Server]:
    """The first ComfyUI found, for a script, stopped afterwards; ends the script where there is none."""
    found = find_comfyuis()
    if isinstance(found, str):
        raise SystemExit(found)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(found[0], Path(folder))
        try:
            yield server
        finally:
            server.stop()


def find_comfyuis() -> list[Installation] | str:
    """Each ComfyUI there is, or the reason why there is none.

    COMFYUI_PATH holds their folders, with ``os.pathsep`` between them. Without it they are looked for above the pack
    and in the home folder.
    """
    given = [Path(path) for path in os.environ.get("COMFYUI_PATH", "").split(os.pathsep) if path]
    places = given or [*_above(), *(Path.home() / name for name in ("ComfyUI", "comfy/ComfyUI", "ComfyUI-0.33"))]
    folders = dict.fromkeys(place.resolve() for place in places if (place / "main.py").is_file())
    if not folders:
        return f"no ComfyUI in {', '.join(map(str, places))}; set COMFYUI_PATH"
    return [Installation(folder, _python_of(folder), _version_of(folder)) for folder in folders]


def _above() -> list[Path]:
    """The ComfyUI whose custom_nodes folder the pack is in."""
    return [ROOT.parent.parent] if ROOT.parent.name == "custom_nodes" else []


def _python_of(folder: Path) -> Path:
    return Path(os.environ.get("COMFYUI_PYTHON") or folder / ".venv" / "bin" / "python")


def _version_of(folder: Path) -> str:
    found = re.search(r'__version__ = "(.+)"', (folder / "comfyui_version.py").read_text())
    assert found, f"{folder}/comfyui_version.py: no version"
    return found[1]


class Server:
    """One running ComfyUI.

    Args:
        base: temporary folder for its input, output, models and the pack.
        arguments: more command-line switches, such as ``--fp16-vae``.

    Attributes:
        installation: which ComfyUI runs.
        startup: what it logged until it answered.
    """

    def __init__(self, installation: Installation, base: Path, arguments: tuple[str, ...] = ()) -> None:
        self.installation = installation
        self.base = base
        for name in ("custom_nodes", "input", "output", "temp", "user/default", "models"):
            (base / name).mkdir(parents=True, exist_ok=True)
        (base / "custom_nodes" / PACK_FOLDER).symlink_to(ROOT)
        shutil.copy(installation.folder / "input" / EXAMPLE_INPUT, base / "input")
        (base / "input" / "clip.mp4").touch()  # the video template's, so that it opens without a word
        (base / "user/default/comfy.settings.json").write_text('{"Comfy.TutorialCompleted": true}')
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = base / "log.txt"
        command = [installation.python, "main.py", "--port", str(self.port), "--base-directory", base, "--cpu"]
        command += ["--database-url", "sqlite:///:memory:", "--disable-auto-launch", *arguments]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(c) for c in command], cwd=installation.folder, stdout=log, stderr=subprocess.STDOUT
            )
        self.client = uuid.uuid4().hex
        self._wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict | None = None):
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body or {}).encode())
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None

    def submit(self, prompt: dict) -> str:
        """Queues a workflow in API format; its id."""
        return self.post("/prompt", {"prompt": prompt, "client_id": self.client})["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 600) -> dict:
        """The history entry of a finished run, whatever its end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry:
                return entry
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"the run did not finish in {seconds} s; see {self.log.read_text()[-2000:]}")

    def run(self, prompt: dict, seconds: float = 600) -> dict[str, torch.Tensor]:
        """Runs a workflow in API format; the images of each output node, ``[B, H, W, 3 or 4]`` 0..1."""
        return self.images(self.wait(self.submit(prompt), seconds))

    def images(self, entry: dict) -> dict[str, torch.Tensor]:
        """The images of each output node of a run that succeeded."""
        assert entry["status"]["status_str"] == "success", error_of(entry)
        return {
            node: torch.cat([self._image(image) for image in output["images"]])
            for node, output in entry["outputs"].items()
            if "images" in output
        }

    def _image(self, reference: dict) -> torch.Tensor:
        with urllib.request.urlopen(f"{self.url}/view?{urllib.parse.urlencode(reference)}", timeout=60) as answer:
            image = Image.open(io.BytesIO(answer.read()))
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        return torch.from_numpy(np.array(image))[None].float() / 255

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.get("/system_stats")
                self.startup = self.log.read_text()
                return
            except OSError:
                time.sleep(_POLL_SECONDS)
        self.stop()
        raise AssertionError(f"ComfyUI did not start: {self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def add_input(self, *paths: Path) -> None:
        """Copies files into ComfyUI's input folder."""
        for path in paths:
            shutil.copy(path, self.base / "input" / path.name)


def error_of(entry: dict) -> str:
    """The error message of a failed run."""
    messages = dict(entry["status"]["messages"])
    return str(messages.get("execution_error", {}).get("exception_message", entry["status"]))
