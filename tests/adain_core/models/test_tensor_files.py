from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from adain_core.errors import AdaINError
from adain_core.models.tensor_files import check_state, read_metadata, read_safetensors


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(2, 3).half(), "b": torch.arange(4)}, path, {"kind": "test"})
    return path


def test_tensors_keep_their_types(path):
    tensors, metadata = read_safetensors(path)
    assert metadata == read_metadata(path) == {"kind": "test"}
    assert torch.equal(tensors["a"], torch.ones(2, 3, dtype=torch.float16))
    assert torch.equal(tensors["b"], torch.arange(4))


def test_a_file_without_metadata(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    assert read_metadata(tmp_path / "x.safetensors") == {}


@pytest.mark.parametrize("read", [read_safetensors, read_metadata])
def test_files_that_cannot_be_read(path, read):
    cut = path.with_name("cut.safetensors")
    cut.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AdaINError, match="expected a complete safetensors file, found one that cannot be read"):
        read(cut)
    pickled = path.with_name("decoder.pth")
    torch.save({"a": torch.ones(1)}, pickled)
    with pytest.raises(AdaINError, match=r"decoder.pth: expected a complete .*read by 'python -m adain_core import'"):
        read(pickled)
    with pytest.raises(AdaINError, match=r"none.safetensors: expected a safetensors file, found nothing"):
        read(path.with_name("none.safetensors"))
    with pytest.raises(AdaINError, match="expected a safetensors file, found a folder"):
        read(path.parent)


def test_every_problem_of_a_state_is_named():
    expected = {"a": torch.ones(2), "b": torch.ones(2), "c": torch.ones(2)}
    check_state({key: value.half() for key, value in expected.items()}, expected, "file")
    state = {"a": torch.ones(3), "b": torch.tensor([1.0, float("nan")]), "d": torch.ones(1)}
    message = (
        r"file: expected the weights of this architecture, found missing c; unexpected d; "
        r"a of shape \[3\] instead of \[2\]; b with values that are not finite"
    )
    with pytest.raises(AdaINError, match=message):
        check_state(state, expected, "file")
