"""Compiled models. PyTorch's own tracing, without code generation, which takes minutes."""

from __future__ import annotations

import functools

import pytest
import torch

from adain_core import AdaINError, Stylizer
from adain_core.inference.fast.forward import fast


@pytest.fixture
def compile_with(monkeypatch):
    """Sets the backend, and collects what torch.compile is asked for."""
    asked = []

    def use(backend):
        original = torch.compile

        @functools.wraps(original)
        def compile(function, **options):
            asked.append(options)
            return original(function, backend=backend, **options)

        monkeypatch.setattr(torch, "compile", compile)
        return asked

    yield use
    torch.compiler.reset()


@pytest.mark.slow
def test_compiled_equals_plain_at_every_size(compile_with):
    traced = []

    def backend(graph, inputs):
        traced.append(graph)
        return graph

    asked = compile_with(backend)
    plain, stylizer = Stylizer.load(), Stylizer.load()
    style = plain.style(torch.rand(1, 3, 64, 64))
    stylizer.compile()
    for size in ((96, 72), (96, 72), (50, 61)):
        photo = torch.rand(1, 3, *size)
        torch.testing.assert_close(stylizer.stylize(photo, style), plain.stylize(photo, style), atol=1e-5, rtol=0)
    assert len(traced) == 4  # each model, in each size, whole
    assert [options["mode"] for options in asked] == ["default"] * 2  # CUDA graphs are for CUDA


def test_what_was_derived_before_is_not_used(compile_with):
    compile_with("eager")
    stylizer = Stylizer.load()
    before = fast(stylizer.decoder)
    stylizer.compile()
    assert fast(stylizer.decoder) is not before
    assert fast(stylizer.decoder) is fast(stylizer.decoder)


def test_without_a_compiler(compile_with):
    def backend(graph, inputs):
        raise RuntimeError("no C++ compiler")

    compile_with(backend)
    stylizer = Stylizer.load()
    stylizer.compile()
    with pytest.raises(AdaINError, match=r"^compile: expected a compiler .* found none \(no C\+\+ compiler\)$"):
        stylizer.encode(torch.rand(1, 3, 16, 16))


def test_a_compiler_that_is_not_there_at_all(compile_with):
    """Without Triton, or on a GPU too old for it, PyTorch has errors of its own, which no inner one caused."""

    class TritonMissing(torch._dynamo.exc.TorchDynamoException):
        pass

    def backend(graph, inputs):
        raise TritonMissing("Cannot find a working triton installation")

    compile_with(backend)
    stylizer = Stylizer.load()
    stylizer.compile()
    with pytest.raises(AdaINError, match=r"^compile: expected a compiler .* \(Cannot find a working triton"):
        stylizer.encode(torch.rand(1, 3, 16, 16))


def test_sizes_beyond_those_that_pytorch_keeps(compile_with):
    compile_with("eager")
    plain, stylizer = Stylizer.load(pair="light"), Stylizer.load(pair="light")
    stylizer.compile()
    for width in range(16, 16 + 8 * 12, 8):
        photo = torch.rand(1, 3, 16, width)
        torch.testing.assert_close(stylizer.encode(photo).tensor, plain.encode(photo).tensor, atol=1e-4, rtol=1e-4)


def test_cuda_graphs_where_they_work_in_threads(monkeypatch):
    """The options, and a result of its own for each call: a graph reuses its memory."""
    from adain_core.inference.fast.compiled import compiled

    memory, modes = torch.zeros(2), []

    def compile(function, mode, **options):
        modes.append(mode)
        return lambda x: memory.copy_(function(x))

    monkeypatch.setattr(torch, "compile", compile)
    for version in ("2.13.1", "2.14.0+cu130"):
        monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion(version))
        run = compiled(lambda x: 2 * x, torch.device("cuda"))
    assert modes == ["default", "reduce-overhead"]
    first = run(torch.ones(2))
    run(torch.zeros(2))
    assert first.tolist() == [2, 2]
