"""Where and how precisely PyTorch computes: device, one thread a block, no gradients, no TF32."""

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


def block_workers(device: torch.device, threads: int) -> int:
    """How many blocks run at once: one a thread on the CPU, and one on a GPU, whose memory then holds but one."""
    return threads if device.type == "cpu" else 1


@contextmanager
def exact_inference() -> Iterator[None]:
    """Float32 throughout, repeatable, and one thread an operation, in the whole process; the former state comes back.

    Blocks run within it, each in exact_block. TF32, cuDNN's default, keeps 10 bits of a factor's mantissa.
    """
    threads = torch.get_num_threads()
    matmul_tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        with cudnn:
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul_tf32
        torch.set_num_threads(threads)


@contextmanager
def exact_block() -> Iterator[None]:
    """Inference mode on one thread, for a block, in whichever thread computes it: neither is inherited by a new thread.

    PyTorch sets a thread's number when that thread first asks for it, and would do so over one set before; OpenMP's own
    for a new thread is that of the machine's cores. exact_inference brings the caller's number back.
    """
    torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
