"""Weights that others publish: downloaded once, checked, and kept as this pack's files."""

from __future__ import annotations

import contextlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any

import torch
from torchvision.models import VGG19_Weights

from ..errors import AdaINError
from ..files import atomic_write, sha256_of
from ..progress import ProgressCallback
from .foreign_weights import import_model, import_state
from .model_files import load_encoder, save_model

_PORT = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0"
_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without an answer
_HOSTS = ("github.com", "githubusercontent.com", "pytorch.org")  # where these files are, and what these lead to
_LEEWAY = 1.1  # times the size that is known; that is rounded


@dataclass(frozen=True)
class KnownModel:
    """A model that can be fetched.

    Attributes:
        file: name of the safetensors file that it becomes.
        source: name of the published file.
        url: where that file is.
        sha256: of that file, all hexadecimal digits or the first ones.
        megabytes: to download.
        encoder: for a decoder, the encoder it was trained for.
        torchvision: its entry in torchvision's table. Such a file is downloaded to where torchvision looks for it.
    """

    file: str
    source: str
    url: str
    sha256: str
    megabytes: int
    encoder: KnownModel | None = None
    torchvision: VGG19_Weights | None = None


AUTHORS_ENCODER = KnownModel(
    "adain_authors_encoder.safetensors",
    "vgg_normalised.pth",
    f"{_PORT}/vgg_normalised.pth",
    "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
    80,
)
AUTHORS_DECODER = KnownModel(
    "adain_authors_decoder.safetensors",
    "decoder.pth",
    f"{_PORT}/decoder.pth",
    "379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
    14,
    encoder=AUTHORS_ENCODER,
)


def torchvision_encoder(weights: VGG19_Weights = VGG19_Weights.IMAGENET1K_V1) -> KnownModel:
    """torchvision's VGG-19, whose file name ends in the first digits of its hash."""
    source = weights.url.rpartition("/")[2]
    digits = source.removesuffix(".pth").rpartition("-")[2]
    return KnownModel("torchvision_vgg19.safetensors", source, weights.url, digits, 548, torchvision=weights)


def fetch_model(model: KnownModel, folder: str | Path, progress: ProgressCallback | None = None) -> Path:
    """The path of a known model's safetensors file, which is downloaded and imported if it does not exist yet.

    Nothing is downloaded if the published file is in the folder already, put there by hand, or if torchvision has it.
    A file that is incomplete or has another hash is never used.

    Args:
        model: what to fetch.
        folder: where the safetensors file is looked for and kept.
        progress: called with the bytes downloaded so far and in all; an exception it raises stops the download.

    Raises:
        AdaINError: there is no connection (saying which file to put where), it is lost, the server leads to an unknown
            one, or hash or size are others.
    """
    folder = Path(folder)
    path = folder / model.file
    if path.is_file():
        return path
    metadata = {"source": model.url}
    if model.encoder is not None:
        metadata["encoder"] = load_encoder(fetch_model(model.encoder, folder, progress)).fingerprint
    source = folder / model.source
    if source.is_file():
        _check_hash(source, model.sha256)
        imported = import_model(source)
    elif model.torchvision is not None:
        # Downloaded by us, which shows progress and can be cancelled, to where torchvision's loader finds it. The hash
        # is checked by us, too: that loader trusts a file that exists already.
        cached = Path(torch.hub.get_dir()) / "checkpoints" / model.source
        if not cached.is_file() or not sha256_of(cached).startswith(model.sha256):
            _download(model, cached, folder, progress)
        imported = import_state(model.torchvision.get_state_dict(progress=False, check_hash=True), model.url)
    else:
        _download(model, source, folder, progress)
        imported = import_model(source)
        source.unlink()
    save_model(path, imported, metadata)
    return path


def _download(model: KnownModel, path: Path, folder: Path, progress: ProgressCallback | None) -> None:
    try:
        with (
            contextlib.closing(_open(model.url)) as answer,
            atomic_write(path) as temporary,
        ):
            length = answer.headers.get("Content-Length")
            total = int(length or model.megabytes * 1_000_000)
            most = model.megabytes * 1_000_000 * _LEEWAY
            done = 0
            with temporary.open("wb") as file:
                while part := answer.read(_CHUNK):
                    file.write(part)
                    done += len(part)
                    if done > most:
                        raise AdaINError(f"{model.url}: expected {model.megabytes} MB, found more; it is another file")
                    if progress is not None:
                        progress(done, max(done, total))
            if length and done < total:
                raise AdaINError(
                    f"{model.url}: expected {total} bytes, found a connection lost after {done}; run again"
                )
            _check_hash(temporary, model.sha256, model.url)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise AdaINError(
            f"{model.url}: expected to download {model.megabytes} MB, found no way to ({error}); "
            f"download that file with a browser and put it into {folder} as {model.source}, then run again"
        ) from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows an answer that names another address only to where these files are published."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> Any:
    _check_address(url)
    return urllib.request.build_opener(_Redirects).open(url, timeout=_TIMEOUT)


def _check_address(url: str) -> None:
    """Raises AdaINError unless an address is one of HTTPS at a known host."""
    address = urllib.parse.urlsplit(url)
    host = address.hostname or ""
    if address.scheme != "https" or not any(host == known or host.endswith(f".{known}") for known in _HOSTS):
        raise AdaINError(f"{url}: expected an address of HTTPS at {', '.join(_HOSTS)}, found another")


def _check_hash(path: Path, expected: str, name: str | None = None) -> None:
    found = sha256_of(path)
    if not found.startswith(expected):
        raise AdaINError(
            f"{name or path}: expected a file with SHA-256 {expected}, found {found}; it is damaged or another one"
        )
