"""Names that come with a workflow, perhaps from another machine: what they may read and write."""

from __future__ import annotations

import inspect
import sys

import pytest
import torch

from tests.adain_core.pictures import write_pictures
from tests.conftest import PACK

LEAVING = [
    *("../evil", "..", ".", "", "a/b", "a\\b", "/tmp/evil", "C:evil", "C:\\evil", "\\\\host\\share", "~/evil", "$HOME"),
    *("evil\0", "evil\nx", ".hidden", "-rf", "a:b", "a*", "a?", "file:///etc/passwd", "..\\..\\evil", "\u202egnp"),
]
DEVICES = [
    "CON",
    "con",
    "PRN",
    "AUX",
    "NUL",
    "nul.safetensors",
    "COM1",
    "LPT9",
    "Com1.txt",
    "nul .x",
    "COM\u00b9",
    "aux.",
]


@pytest.fixture
def host(pack, tmp_path, monkeypatch):
    """The host as inside a ComfyUI in a folder of its own that other machines reach."""
    module = sys.modules[f"{PACK}.nodes.host"]
    monkeypatch.setattr(module, "save_folder", lambda kind: tmp_path / "models" / kind)
    monkeypatch.setattr(module, "input_folder", lambda: tmp_path / "input")
    monkeypatch.setattr(module, "output_folder", lambda: tmp_path / "output")
    monkeypatch.setattr(module, "only_this_machine", lambda: False)
    return module


@pytest.fixture
def style(pack):
    from tests.fuzz.node_cases import right_inputs

    return right_inputs()["ADAIN_STYLE"]


def tree(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", [*LEAVING, *DEVICES, "x" * 300, "\u661f" * 90])
def test_names_that_leave_their_folder_or_are_devices(pack, host, style, tmp_path, name):
    save = pack.NODE_CLASS_MAPPINGS["AdaINSaveStyle"]()
    with pytest.raises(ValueError, match=r"^name: expected"):
        save.save(style=style, name=name)
    train = pack.NODE_CLASS_MAPPINGS["AdaINTrainDecoder"]()
    given = dict.fromkeys(inspect.signature(train.train).parameters)
    with pytest.raises(ValueError, match=r"^checkpoint_name: expected"):
        type(train).train.__wrapped__(train, **given | {"checkpoint_name": name})
    assert tree(tmp_path) == set()


@pytest.mark.parametrize("name", ["Rain (2) - a.b", "\u661f\u591c", "Contents", "COM10", "nullify", "LPT"])
def test_plain_names_are_written_where_they_belong(pack, host, style, tmp_path, name):
    pack.NODE_CLASS_MAPPINGS["AdaINSaveStyle"]().save(style=style, name=name)
    assert tree(tmp_path) == {"models", "models/adain_styles", f"models/adain_styles/{name}.safetensors"}


def test_a_link_is_replaced_and_not_followed(pack, host, style, tmp_path):
    (tmp_path / "precious").write_text("of the user")
    (tmp_path / "models/adain_styles").mkdir(parents=True)
    (tmp_path / "models/adain_styles/rain.safetensors").symlink_to(tmp_path / "precious")
    pack.NODE_CLASS_MAPPINGS["AdaINSaveStyle"]().save(style=style, name="rain")
    assert (tmp_path / "precious").read_text() == "of the user"
    assert not (tmp_path / "models/adain_styles/rain.safetensors").is_symlink()


def test_models_are_read_from_their_folders_only(pack, host, tmp_path):
    nodes = pack.NODE_CLASS_MAPPINGS
    for node, key in (("AdaINEncoderLoader", "encoder_name"), ("AdaINDecoderLoader", "decoder_name")):
        for name in ("../README.md", "/etc/passwd", "nothing.safetensors", ["a"], {}, 3):
            assert isinstance(nodes[node].VALIDATE_INPUTS(**{key: name}), str)
    for name in ("../../README.md", "/etc/passwd", "nothing", 5):
        assert isinstance(nodes["AdaINLoadStyle"].VALIDATE_INPUTS(name=name), str)
        with pytest.raises(ValueError, match="name: expected"):
            nodes["AdaINExampleImage"]().load(name=name)


def test_what_other_machines_may_have_trained_on(pack, host, tmp_path):
    """Only what is in the input directory: previews would show any image of this machine."""
    folders = sys.modules[f"{PACK}.nodes.training_folders"]
    outside = write_pictures(tmp_path / "private", 1)
    write_pictures(tmp_path / "input/photos", 1)
    (tmp_path / "input/link").symlink_to(outside)
    ways = [("../private", ""), ("/", ""), (str(outside), ""), ("link", ""), ("photos", str(outside)), ("photos", "~")]
    for name, path in [*ways, ("photos", "../private"), ("photos", str(tmp_path / "input/../private"))]:
        with pytest.raises(ValueError, match="expected a folder in"):
            folders.source("content", name, path)
        with pytest.raises(ValueError, match="expected a folder in"):
            folders.changes("content", name, path)
    assert folders.source("content", "photos", "") == (tmp_path / "input/photos").resolve()


def test_metadata_of_a_style_is_text_and_no_place(pack, host, style, tmp_path):
    save = pack.NODE_CLASS_MAPPINGS["AdaINSaveStyle"]()
    save.save(style=style, name="rain", author="../../evil", license="/etc/passwd", thumbnail=torch.rand(1, 8, 8, 3))
    assert tree(tmp_path) == {"models", "models/adain_styles", "models/adain_styles/rain.safetensors"}
