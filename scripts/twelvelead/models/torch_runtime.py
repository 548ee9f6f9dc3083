"""Where and how precisely PyTorch computes: device, threads, no gradients, no TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from twelvelead.errors import ConfigError, ModelError


def torch_device(name: str) -> torch.device:
    """The device of `cpu`, `cuda` or `cuda:1`. Raises ConfigError for another name, ModelError for one not there."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {name!r}, expected cpu, cuda or cuda:N")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ModelError(f"device {name}: PyTorch sees {found} CUDA devices here; set `device: cpu` or another one")
    return device


@contextmanager
def exact_inference(threads: int) -> Iterator[None]:
    """Inference mode in float32 throughout, repeatable, with `threads` threads on the CPU; the former state comes back.

    TF32, cuDNN's default, keeps 10 bits of a factor's mantissa.
    """
    before = torch.get_num_threads()
    matmul_tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        with torch.inference_mode(), cudnn:
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul_tf32
        torch.set_num_threads(before)
