"""torch.compile, with CUDA graphs: for many images of one size, such as a video's frames.

Each size met for the first time takes a minute or so. From then on PyTorch's compiler has fused what stands between the
convolutions, and on CUDA all kernels of a frame are launched at once, as a CUDA graph. On CPUs nothing is won: there
convolutions are all the time (benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...errors import AdaINError

# Before, CUDA graphs of torch.compile worked in the main thread only (pytorch/pytorch#123177).
_GRAPHS_IN_THREADS = "2.14"
# What PyTorch raises for one size more than it keeps programs of, some eight; its name changed over the versions.
_TOO_MANY_SIZES = ("FailOnRecompileLimitHit", "RecompileLimitExceeded", "CacheLimitExceeded")


def compiled(function: Callable[[Tensor], Tensor], device: torch.device) -> Callable[[Tensor], Tensor]:
    """The function, compiled for each size of input it is called with; as it is for sizes beyond the first few.

    Args:
        function: of a tensor on that device.
        device: where it computes.

    Raises:
        AdaINError: at a call, when there is no compiler PyTorch can use.
    """
    graphs = device.type == "cuda" and torch.__version__ >= _GRAPHS_IN_THREADS
    mode = "reduce-overhead" if graphs else "default"
    known = torch._dynamo.exc  # imported here, for it takes seconds
    too_many_sizes = tuple(getattr(known, name) for name in _TOO_MANY_SIZES if hasattr(known, name))
    program = torch.compile(function, fullgraph=True, dynamic=False, mode=mode)

    def run(x: Tensor) -> Tensor:
        try:
            result = program(x)
        except too_many_sizes:
            return function(x)
        except known.TorchDynamoException as error:
            reason = str(getattr(error, "inner_exception", error)).strip().splitlines()[0]
            raise AdaINError(f"compile: expected a compiler that PyTorch can use, found none ({reason})") from error
        return result.clone() if graphs else result  # a graph writes its next result into the same memory

    return run
