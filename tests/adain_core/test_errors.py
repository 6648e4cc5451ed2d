"""An error is one line, whatever the names and texts that it quotes."""

from __future__ import annotations

import pickle

import pytest

from adain_core.errors import AdaINError, about, reason


@pytest.mark.parametrize("text", ["a\nb", "a\u2028b", "a\r\nb\x85c", "\x1b[2Jcleared", "right\u202eto left"])
def test_nothing_ends_the_line_or_commands_a_terminal(text):
    shown = str(AdaINError(f"{text}: expected a file"))
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1
    assert shown.encode().decode("unicode_escape").startswith(text)


def test_what_can_be_read_stays():
    text = "/Fotos/J\u00f6rg/\u661f\u591c 'x' \\ \U0001f3a8.png: expected an image file"
    error = AdaINError(text)
    assert str(error) == text
    assert str(pickle.loads(pickle.dumps(error))) == text


def test_reasons_of_other_libraries_are_short():
    assert reason(ValueError("one\n  two")) == "one two"
    assert reason(KeyError()) == "KeyError"
    assert len(reason(OSError("x" * 10**6))) < 400


def test_the_file_is_named_before_the_error():
    class Kind(AdaINError):
        pass

    with pytest.raises(Kind, match=r"^a/b\.json: expected, found$"), about("a/b.json"):
        raise Kind("expected, found")
