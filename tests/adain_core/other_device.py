"""A device like a GPU of Apple's, simulated on the CPU: no float64, no adaptive pooling of sizes that do not divide."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("lazy")  # a type that every PyTorch knows and no machine has
_aten = torch.ops.aten


class _There(torch.Tensor):
    """A tensor on the simulated device."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=DEVICE
        )

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class SimulatedDevice(TorchDispatchMode):
    """While it is entered, tensors can be made on and moved to `DEVICE`. It raises for what such a device refuses."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), "CompositeImplicitAutograd"):
            with self:  # in inference mode such operations arrive whole, and name their device by place
                return operation.decompose(*args, **kwargs or {})
        return _run(operation, args, kwargs or {})


def move(module: nn.Module) -> nn.Module:
    """A module with its weights on the device."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(weight.detach().to(DEVICE), requires_grad=False)
    return module


def _run(operation, args, kwargs):
    found, others = [], []

    def inner(x):
        if isinstance(x, _There):
            found.append(x)
            return x.inner
        if isinstance(x, torch.Tensor) and x.ndim > 0:
            others.append(x)
        return x

    target = kwargs.get("device")
    there = target is not None and torch.device(target).type == DEVICE.type
    plain_args, plain_kwargs = tree_map(inner, (args, {**kwargs, "device": torch.device("cpu")} if there else kwargs))
    there = there or (bool(found) and target is None)
    if operation is _aten.copy_.default:
        there = isinstance(args[0], _There)
    elif found and others and target is None:
        raise RuntimeError(f"{operation}: tensors on two devices")
    if there and operation is _aten._adaptive_avg_pool2d.default:
        sizes = zip(plain_args[0].shape[2:], plain_args[1], strict=True)
        if any(size % cells for size, cells in sizes):
            raise RuntimeError("Adaptive pool: input sizes must be divisible by output sizes")
    result = operation(*plain_args, **plain_kwargs)
    if not there:
        return result
    if operation._schema.name.endswith("_") and isinstance(args[0], _There):
        return args[0]
    return tree_map(_put, result)


def _put(x):
    if not isinstance(x, torch.Tensor):
        return x
    if x.dtype == torch.float64:
        raise TypeError("the device has no float64")
    return _There(x)
