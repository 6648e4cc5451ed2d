"""The loaders' lists, and models that are fetched when chosen."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch

from adain_core.models.bundled import DEFAULT_PAIR, PAIRS, VGG19_DECODER, VGG19_ENCODER


@pytest.fixture
def loaders(pack):
    return sys.modules[f"{pack.__name__}.nodes.loaders"]


def offered(node):
    (spec,) = node.INPUT_TYPES()["required"].values()
    return spec[0]


def test_lists_start_with_the_default_pair_and_end_with_those_to_fetch(loaders):
    assert offered(loaders.LoadEncoder)[0] == PAIRS[DEFAULT_PAIR].encoder.name
    assert offered(loaders.LoadDecoder)[0] == PAIRS[DEFAULT_PAIR].decoder.name
    assert offered(loaders.LoadEncoder)[-2:] == list(loaders.FETCHED["encoder"])
    assert offered(loaders.LoadDecoder)[-1:] == list(loaders.FETCHED["decoder"])
    assert VGG19_DECODER.name not in offered(loaders.LoadEncoder), "each lists its own kind"


def test_a_chosen_entry_is_fetched_into_the_models_folder(loaders, tmp_path, monkeypatch):
    asked = []

    def fetch(model, folder, progress):
        asked.append((model.source, folder))
        return Path(shutil.copy(VGG19_ENCODER, folder / model.file))

    monkeypatch.setattr(loaders, "fetch_model", fetch)
    monkeypatch.setattr(loaders.host, "save_folder", lambda kind: tmp_path)
    name = next(iter(loaders.FETCHED["encoder"]))
    (encoder,) = loaders.LoadEncoder().load(name)
    assert asked == [("vgg_normalised.pth", tmp_path)]
    assert encoder.model.fingerprint
    assert loaders.LoadEncoder.IS_CHANGED(name) == loaders.LoadEncoder.IS_CHANGED(name), "not run again for nothing"


def test_a_decoder_where_an_encoder_is_expected(loaders):
    with pytest.raises(ValueError, match="expected an encoder file, found one that holds a decoder"):
        loaders.LoadEncoder().load(VGG19_DECODER.name)


def test_a_missing_file_of_the_pack_is_told_with_its_folder(pack, loaders, tmp_path, monkeypatch):
    stylize = sys.modules[f"{pack.__name__}.nodes.stylize"]
    monkeypatch.setattr(loaders, "bundled_pair", lambda name: (VGG19_ENCODER, tmp_path / "decoder.safetensors"))
    image = torch.rand(1, 8, 8, 3)
    with pytest.raises(ValueError, match=rf"decoder.safetensors: expected a file in {tmp_path}, found none; put it"):
        stylize.Stylize().stylize(image, image, 1.0)


def test_names_that_come_by_a_wire_are_no_error(pack):
    for node_id in ("AdaINEncoderLoader", "AdaINDecoderLoader", "AdaINLoadStyle"):
        node = pack.NODE_CLASS_MAPPINGS[node_id]
        (name,) = node.INPUT_TYPES()["required"]
        assert node.IS_CHANGED(**{name: None}) == node.IS_CHANGED(**{name: None})
        assert node.VALIDATE_INPUTS(**{name: None}) is True


def test_a_changed_file_is_loaded_again(loaders, tmp_path, monkeypatch):
    path = tmp_path / "encoder.safetensors"
    shutil.copy(VGG19_ENCODER, path)
    monkeypatch.setattr(loaders.host, "model_path", lambda *_: path)
    before, seen = loaders.LoadEncoder.IS_CHANGED(path.name), loaders.LoadEncoder().load(path.name)[0]
    assert loaders.LoadEncoder().load(path.name)[0] is seen
    path.touch()
    assert loaders.LoadEncoder.IS_CHANGED(path.name) != before
    assert loaders.LoadEncoder().load(path.name)[0] is not seen


def test_what_is_derived_from_weights_is_kept_from_run_to_run(pack, loaders, monkeypatch):
    """ComfyUI runs nodes in inference mode."""
    fast = sys.modules[f"{pack.__name__}.adain_core.inference.fast.forward"].fast
    loaders._load.cache_clear()
    with torch.inference_mode():
        (decoder,) = loaders.LoadDecoder().load(VGG19_DECODER.name)
        assert fast(decoder.load()) is fast(decoder.load())
        # Another type in place of another device, of which the CPU has none.
        monkeypatch.setattr(loaders.host, "compute_device", lambda: torch.float64)
        assert fast(decoder.load()) is fast(decoder.load())
    loaders._load.cache_clear()
