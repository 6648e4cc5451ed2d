"""How files are damaged: bytes flipped, cut and moved, and safetensors headers that lie."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import strategies as st

_HEAD = 96  # bytes in which most formats say what follows
_EXTREMES = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\1", b"\0\1\0\0"]
_DTYPES = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F4", "I64", "U8", "BOOL", "C64", "F3", "", "f32"]
_TEXTS = ["", "style", "encoder", "decoder", "training", "light", "vgg16", "vgg19", "batch", "[", "{}", "1e999", "-1"]
_TEXT = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=20))
_NUMBER = st.one_of(st.integers(-2, 600), st.sampled_from([2**31, 2**32, 2**53, 2**63 - 1, 2**64 - 1, 2**64, 10**30]))
_JSON = st.one_of(st.none(), st.booleans(), _NUMBER, st.floats(), _TEXT, st.lists(_NUMBER, max_size=3))


@st.composite
def damaged(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """One of the originals after up to four accidents."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = min(draw(st.one_of(st.integers(0, _HEAD), st.integers(0, len(data)))), max(len(data) - 1, 0))
        length = draw(st.integers(1, 40))
        match draw(st.integers(0, 6)):
            case 0 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at:]
            case 2:
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case 3:
                data[at : at + 4] = draw(st.sampled_from(_EXTREMES))
            case 4:
                del data[at : at + length]
            case 5:
                data[at:at] = data[at : at + length] * draw(st.integers(1, 3))
            case _:
                data[at : at + length] = bytes(length)
    return bytes(data)


@st.composite
def lying(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """A safetensors file whose header says other things than are so."""
    data = draw(st.sampled_from(originals))
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    for _ in range(draw(st.integers(1, 3))):
        if not header:
            break
        name = draw(st.sampled_from(sorted(header)))
        entry = header[name]
        if draw(st.integers(0, 5)) == 0:
            del header[name]
        elif not isinstance(entry, dict) or draw(st.integers(0, 9)) == 0:
            header[name] = draw(_JSON)
        elif name == "__metadata__":
            key = draw(st.one_of(st.sampled_from(sorted(entry) or [""]), _TEXT))
            entry[key] = draw(st.one_of(_TEXT, _TEXT, _JSON))
        else:
            match draw(st.integers(0, 3)):
                case 0:
                    entry["dtype"] = draw(st.sampled_from(_DTYPES))
                case 1:
                    entry["shape"] = draw(st.lists(_NUMBER, max_size=4))
                case 2:
                    entry["data_offsets"] = draw(st.lists(_NUMBER, max_size=3))
                case _:
                    header[draw(_TEXT)] = header.pop(name)
    text = json.dumps(header).encode()
    said = draw(st.one_of(st.just(len(text)), st.just(len(text)), _NUMBER)) % 2**64
    ending = draw(st.sampled_from([0, 0, 0, -1, -8, 1, 64]))
    body = body[:ending] if ending < 0 else body + bytes(ending)
    return said.to_bytes(8, "little") + text + body
