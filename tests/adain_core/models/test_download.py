"""Known weights fetched from a server on this machine: complete and checked, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from torchvision.models._api import Weights, WeightsEnum
from torchvision.models.vgg import cfgs, make_layers

from adain_core import AdaINError
from adain_core.models import download
from adain_core.models.decoder import Decoder
from adain_core.models.download import AUTHORS_DECODER, AUTHORS_ENCODER, fetch_model, torchvision_encoder
from adain_core.models.foreign_weights import import_state
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.models.vgg import ARCHITECTURES


@pytest.fixture(autouse=True)
def _torch_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture(autouse=True)
def check_address(monkeypatch):
    """What tells known addresses; the server here is none, so it is asked in tests of it only."""
    check = download._check_address
    monkeypatch.setattr(download, "_check_address", lambda url: None)
    return check


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "adain"


@pytest.fixture
def serve():
    """Serves bytes by path; ``cut`` sends that many of them and hangs up."""
    files, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body, cut = files[self.path.lstrip("/")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # A client that cancels hangs up first.
            with contextlib.suppress(OSError):
                self.wfile.write(body[:cut])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def add(model, body, cut=None):
        files[model.source] = (body, cut)
        return replace(
            model,
            url=f"http://127.0.0.1:{server.server_port}/{model.source}",
            sha256=hashlib.sha256(body).hexdigest(),
        )

    add.asked = asked
    yield add
    server.shutdown()
    server.server_close()


def encoder_file() -> bytes:
    """Of the layout of vgg_normalised.pth: a 1x1 convolution, then 3x3 ones."""
    layers = [torch.nn.Conv2d(3, 3, 1)]
    channels = [3, *(c for block in ARCHITECTURES["vgg19"] for c in block)]
    for i, o in itertools.pairwise(channels):
        layers += [torch.nn.ReflectionPad2d(1), torch.nn.Conv2d(i, o, 3), torch.nn.ReLU()]
    return _saved(torch.nn.Sequential(*layers).state_dict())


def decoder_file() -> bytes:
    return _saved({key.removeprefix("c."): value for key, value in Decoder().state_dict().items()})


def _saved(state) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_fetch_imports_once(serve, folder):
    model = serve(AUTHORS_ENCODER, encoder_file())
    told = []
    path = fetch_model(model, folder, lambda done, total: told.append((done, total)))
    assert load_encoder(path).fingerprint
    assert told[-1][0] == told[-1][1] == len(encoder_file())
    assert names(folder) == [model.file], "the download itself is not kept"
    assert fetch_model(model, folder) == path
    assert len(serve.asked) == 1


def test_a_decoder_brings_its_encoder(serve, folder):
    encoder = serve(AUTHORS_ENCODER, encoder_file())
    decoder = replace(serve(AUTHORS_DECODER, decoder_file()), encoder=encoder)
    path = fetch_model(decoder, folder)
    assert load_decoder(path).trained_for == load_encoder(folder / encoder.file).fingerprint


@pytest.mark.parametrize("spoil", ["cut", "changed"])
def test_a_damaged_download_leaves_nothing(serve, folder, spoil):
    body = encoder_file()
    model = serve(AUTHORS_ENCODER, body, cut=len(body) // 2 if spoil == "cut" else None)
    if spoil == "changed":
        model = replace(model, sha256="0" * 64)
    with pytest.raises(AdaINError, match="SHA-256" if spoil == "changed" else "connection lost after"):
        fetch_model(model, folder)
    assert names(folder) == []


def test_cancel_leaves_nothing(serve, folder):
    class CancelledError(Exception):
        pass

    def cancel(done, total):
        raise CancelledError

    with pytest.raises(CancelledError):
        fetch_model(serve(AUTHORS_ENCODER, encoder_file()), folder, cancel)
    assert names(folder) == []


def test_offline_says_what_to_put_where(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}/vgg_normalised.pth"
    with pytest.raises(AdaINError) as error:
        fetch_model(replace(AUTHORS_ENCODER, url=closed), folder)
    for part in (closed, "80 MB", str(folder), "vgg_normalised.pth"):
        assert part in str(error.value)


def test_a_file_brought_by_hand_is_imported(serve, folder):
    body = encoder_file()
    model = serve(AUTHORS_ENCODER, body)
    folder.mkdir()
    (folder / model.source).write_bytes(body)
    fetch_model(model, folder)
    assert serve.asked == []
    assert names(folder) == sorted([model.file, model.source]), "what the user brought stays"


def test_a_wrong_file_brought_by_hand_is_refused(serve, folder):
    model = serve(AUTHORS_ENCODER, encoder_file())
    folder.mkdir()
    (folder / model.source).write_bytes(b"something else")
    with pytest.raises(AdaINError, match="damaged or another one"):
        fetch_model(model, folder)


@pytest.mark.slow
@pytest.mark.parametrize("there", ["nothing", "half", "all"])
def test_torchvision_through_its_own_loader(serve, folder, tmp_path, there):
    layers = make_layers(cfgs["E"], batch_norm=False)
    state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    body = _saved(state)
    source = f"vgg19-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    url = serve(replace(AUTHORS_ENCODER, source=source), body).url
    cached = tmp_path / "hub/checkpoints" / source  # where torchvision looks for it
    if there != "nothing":
        cached.parent.mkdir(parents=True)
        cached.write_bytes(body if there == "all" else body[: len(body) // 2])

    class Table(WeightsEnum):
        ONLY = Weights(url=url, transforms=None, meta={})

    model = torchvision_encoder(Table.ONLY)
    encoder = load_encoder(fetch_model(model, folder))
    assert cached.read_bytes() == body
    assert len(serve.asked) == (0 if there == "all" else 1)
    expected = import_state(state, "here").state_dict()
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, expected[key])


def test_hashes_are_pinned():
    assert AUTHORS_ENCODER.sha256.startswith("804ca2835ecf7539f0cd2a7a")
    assert len(AUTHORS_ENCODER.sha256) == len(AUTHORS_DECODER.sha256) == 64
    assert torchvision_encoder().sha256 == "dcbb9e9d"


@pytest.mark.parametrize(
    "url",
    [
        *("http://github.com/a", "ftp://github.com/a", "file:///etc/passwd", "https://github.com.example.org/a"),
        *("https://notgithub.com/a", "https://127.0.0.1/a", "https://user@example.org/github.com", "//github.com/a"),
    ],
)
def test_other_addresses_are_refused(check_address, url):
    with pytest.raises(AdaINError, match="expected an address of HTTPS at github"):
        check_address(url)


def test_the_addresses_of_all_known_models_are_known(check_address):
    for model in (AUTHORS_ENCODER, AUTHORS_DECODER, torchvision_encoder()):
        check_address(model.url)
        assert len(model.sha256) >= 8
    check_address("https://objects.githubusercontent.com/a?b=c")


def test_a_server_that_leads_elsewhere_is_not_followed(serve, folder, check_address, monkeypatch):
    model = serve(AUTHORS_ENCODER, b"")
    handler = download._Redirects()
    monkeypatch.setattr(download, "_check_address", check_address)
    with pytest.raises(AdaINError, match="expected an address of HTTPS"):
        handler.redirect_request(None, None, 302, "", {}, "http://example.org/weights")
    with pytest.raises(AdaINError, match="expected an address of HTTPS"):
        fetch_model(model, folder)
    assert not serve.asked


def test_more_than_was_known_is_not_loaded(serve, folder):
    model = replace(serve(AUTHORS_ENCODER, bytes(3 << 20)), megabytes=2)
    with pytest.raises(AdaINError, match="expected 2 MB, found more"):
        fetch_model(model, folder)
    assert not list(folder.iterdir())
