"""The benchmark of WCR on a GPU: `.venv/bin/python bench/gpu.py` prints a page and writes it as bench/gpu.md.

Full size, with random weights made here. "In a job" is wcr.load and predict, signals and probabilities in the host's
memory; "network alone" has the signals on the card. It asserts nothing but that results survive a full memory.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch

from random_wcr import FULL_SIZE, model_settings, random_tensors, write_checkpoint
from twelvelead.demo.simulate import RHYTHMS, simulate
from twelvelead.models import wcr
from twelvelead.models.converted_checkpoint import read_weights
from twelvelead.models.torch_runtime import exact_block, exact_inference
from twelvelead.models.wcr_architecture import N_LEADS, N_SAMPLES, Architecture, architecture, frames
from twelvelead.models.wcr_network import network_of

SAMPLING_RATE_HZ = 250
N_SIGNALS = 256
MATRIX_SIZE = 8192
# What the test of a full memory leaves PyTorch beyond what it holds already, and a batch far beyond that: the first
# convolution's output alone is 1.28 MB an ECG at full size.
MEMORY_LEFT = 4 * 2**30
ABSURD_BATCH = 8192


def measure(
    device: str,
    config: Mapping = FULL_SIZE,
    batch_sizes: Sequence[int] = (64, 256, 1024),
    n_signals: int = N_SIGNALS,
    matrix_size: int = MATRIX_SIZE,
    seconds: float = 2.0,
) -> dict:
    """What `page` shows. On the CPU, which is for tests, float32 alone is measured and memory is not filled.

    seconds  that each speed is measured for, at least
    """
    target = torch.device("cuda:0" if device == "cuda" else device)
    on_gpu = target.type == "cuda"
    signals = ecg_signals(n_signals)
    speeds, probabilities = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_checkpoint(Path(scratch) / "wcr", config, random_tensors(config))
        for precision in wcr.PRECISIONS if on_gpu else ("float32",):
            settings = model_settings(config, precision=precision)
            probabilities[precision] = wcr.load(folder, str(target), settings).predict(signals)
            matrix = matrix_flops(target, wcr.PRECISIONS[precision], matrix_size, seconds)
            for batch_size in batch_sizes:
                model = wcr.load(folder, str(target), {**settings, "batch_size": batch_size})
                job = job_ecgs_per_s(model, np.resize(signals, (4 * batch_size, N_LEADS, N_SAMPLES)), seconds)
                network = network_ecgs_per_s(folder, target, wcr.PRECISIONS[precision], batch_size, signals, seconds)
                speeds.append(
                    {
                        "precision": precision,
                        "batch_size": batch_size,
                        "job_ecgs_per_s": job,
                        "network_ecgs_per_s": network,
                        "network_flops": network * flops_per_ecg(architecture(config)),
                        "matrix_flops": matrix,
                    }
                )
        memory = full_memory(folder, target, config, signals) if on_gpu else None
    exact = probabilities["float32"]
    return {
        **described(target),
        "gflop_per_ecg": flops_per_ecg(architecture(config)) / 1e9,
        "matrix_size": matrix_size,
        "signals": n_signals,
        "speeds": speeds,
        "deviations": {name: float(np.abs(found - exact).max()) for name, found in probabilities.items()},
        "spread": float((exact.max(axis=0) - exact.min(axis=0)).max()),
        "full_memory": memory,
    }


def page(results: Mapping) -> str:
    """What measure returns, as Markdown."""
    lines = [
        f"# WCR on {results['device']}",
        "",
        f"Device {results['index']}, driver {results['driver']}, PyTorch {results['torch']}, {results['date']}; TF32 "
        f"off; {results['gflop_per_ecg']:.2f} GFLOP an ECG; random weights. In a job: signals and probabilities in the "
        "host's memory. Network alone: signals on the card. Matrix rate: square matrices of "
        f"{results['matrix_size']}, measured in this run.",
        "",
        "| precision | batch | in a job, ECGs/s | network alone, ECGs/s | TFLOP/s | matrix rate, TFLOP/s | of it |",
        "|---|---|---|---|---|---|---|",
    ]
    for speed in results["speeds"]:
        network, matrix = speed["network_flops"], speed["matrix_flops"]
        lines.append(
            f"| {speed['precision']} | {speed['batch_size']} | {speed['job_ecgs_per_s']:,.0f} "
            f"| {speed['network_ecgs_per_s']:,.0f} | {network / 1e12:.2f} | {matrix / 1e12:.2f} "
            f"| {network / matrix:.0%} |"
        )
    lines += [
        "",
        f"Largest difference of a probability from float32's, {results['signals']} simulated ECGs, one output's "
        f"probabilities spread over up to {results['spread']:.2g}:",
        "",
        "| precision | difference |",
        "|---|---|",
        *(f"| {precision} | {largest:.1e} |" for precision, largest in results["deviations"].items()),
    ]
    if results["full_memory"] is not None:
        memory = results["full_memory"]
        lines += [
            "",
            f"A batch of {memory['asked']:,} with {MEMORY_LEFT // 2**30} GiB left: halved to {memory['halved_to']:,}, "
            f"results within {memory['largest_difference']:.1e} of those of batches of {memory['compared_with']}.",
        ]
    return "\n".join(lines) + "\n"


def ecg_signals(n: int, seed: int = 0) -> np.ndarray:
    """(n, 12, 2500) float32 mV: simulated ECGs of all rhythms with noise, 10 s at 250 Hz."""
    rng = np.random.default_rng(seed)
    rhythms = [RHYTHMS[number % len(RHYTHMS)] for number in range(n)]
    return np.stack([simulate(rhythm, rng, sampling_rate_hz=SAMPLING_RATE_HZ).signal_mv for rhythm in rhythms])


def flops_per_ecg(sizes: Architecture) -> int:
    """Floating-point operations of the network's products for one ECG, a multiplication and an addition each.

    Activations, norms and softmax are left out, so that the rate can be set beside that of matrix products.
    """
    n_samples, channels_in, products = N_SAMPLES, N_LEADS, 0
    for layer in sizes.conv_layers:
        channels, kernel, _ = layer
        n_samples = frames(n_samples, (layer,))
        products += n_samples * channels * channels_in * kernel
        channels_in = channels
    width = sizes.embed_dim
    if channels_in != width:
        products += n_samples * channels_in * width
    # An even kernel padded by half of it makes one frame too many, which is computed, too.
    n_positions = n_samples + 2 * (sizes.conv_pos // 2) - sizes.conv_pos + 1
    products += n_positions * width * (width // sizes.conv_pos_groups) * sizes.conv_pos
    projections = n_samples * (4 * width * width + 2 * width * sizes.ffn_dim)
    attention = 2 * n_samples * n_samples * width
    products += sizes.layers * (projections + attention)
    return 2 * (products + width * sizes.labels)


def matrix_flops(device: torch.device, dtype: torch.dtype, size: int, seconds: float) -> float:
    """Operations per second that a product of two square matrices reaches, without TF32."""
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator, device=device).to(dtype) for _ in range(2))
    with exact_inference(), exact_block():
        return 2 * size**3 / duration_s(lambda: left @ right, device, seconds)


def job_ecgs_per_s(model: wcr.WcrModel, batch: np.ndarray, seconds: float) -> float:
    """ECGs per second of predict, from the host's memory to the host's memory."""
    # Its results are on the host when it returns, so there is nothing to wait for.
    return len(batch) / duration_s(lambda: model.predict(batch), torch.device("cpu"), seconds)


def network_ecgs_per_s(
    folder: Path, device: torch.device, dtype: torch.dtype, batch_size: int, signals: np.ndarray, seconds: float
) -> float:
    """ECGs per second of the network on signals that are on the device."""
    network = network_of(read_weights(folder)).to(device, dtype)
    batch = torch.tensor(np.resize(signals, (batch_size, N_LEADS, N_SAMPLES)), device=device, dtype=dtype)
    with exact_inference(), exact_block():
        return batch_size / duration_s(lambda: network(batch), device, seconds)


def duration_s(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median duration of a run of at least three that take `seconds` together, after one that is not counted."""
    durations: list[float] = []
    run()
    while len(durations) < 3 or sum(durations) < seconds:
        _wait_for(device)
        start = time.perf_counter()
        run()
        _wait_for(device)
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def full_memory(
    folder: Path, device: torch.device, config: Mapping, signals: np.ndarray, compared_with: int = 16
) -> dict:
    """What a batch beyond the card's memory is halved to, and how far its results are from those of small batches.

    PyTorch is kept to a part of the card's memory meanwhile, so that a card in use by others is not filled.
    """
    settings = model_settings(config)
    expected = wcr.load(folder, str(device), {**settings, "batch_size": compared_with}).predict(signals)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    allowed = torch.cuda.memory_reserved(device) + MEMORY_LEFT
    torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / total), device)
    try:
        model = wcr.load(folder, str(device), {**settings, "batch_size": ABSURD_BATCH})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = model.predict(signals)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    halvings = sum("did not fit into the device's memory" in str(warning.message) for warning in caught)
    largest = float(np.abs(found - expected).max())
    if not halvings or not largest < 1e-5:
        sys.exit(
            f"a batch of {ABSURD_BATCH} with {MEMORY_LEFT // 2**30} GiB left was halved {halvings} times and changed "
            f"probabilities by {largest:.1e}, expected at least once and below 1e-5"
        )
    return {
        "asked": ABSURD_BATCH,
        "halved_to": ABSURD_BATCH >> halvings,
        "compared_with": compared_with,
        "largest_difference": largest,
    }


def described(device: torch.device) -> dict:
    """The device's name and index, its driver's and PyTorch's version, and the date."""
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "the CPU",
        "index": str(device),
        "driver": _driver_version() if on_gpu else "none",
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda})" if on_gpu else torch.__version__,
        "date": date.today().isoformat(),
    }


def _driver_version() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return "unknown (no nvidia-smi)"
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return answer[0] if answer else "unknown (nvidia-smi did not answer)"


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, nargs="?", default=Path(__file__).with_name("gpu.md"), help="where to write")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 256, 1024])
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        built_for = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        sys.exit(
            f"PyTorch {torch.__version__} ({built_for}) sees no CUDA device here, expected one; run this on a machine "
            "with an NVIDIA GPU and a PyTorch built for its driver"
        )
    text = page(measure(chosen.device, batch_sizes=chosen.batch_sizes))
    print(text)
    chosen.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
