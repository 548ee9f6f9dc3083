"""A small checkpoint of random tensors, laid out as fairseq-signals lays out ECG-FM's."""

from collections.abc import Mapping
from pathlib import Path

import torch

from twelvelead.models.wcr_architecture import architecture
from twelvelead.models.wcr_network import POSITION_CONV, WEIGHT_NORM, expected_shapes

CONFIG = {
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 16,
    "encoder_attention_heads": 2,
    "layer_norm_first": False,
    "conv_feature_layers": "[(8, 2, 2)] * 4",
    "conv_bias": False,
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "num_labels": 3,
    "saliency": False,
}
OUTPUTS = ["AF", "CRBBB|RBBB", "PVC|VPB"]


def random_tensors(
    config: Mapping, weight_norm: tuple[str, str] = WEIGHT_NORM[0], seed: int = 0
) -> dict[str, torch.Tensor]:
    """Every tensor of a network with this configuration.

    weight_norm  names of the two tensors that make up the weight of the positional convolution
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = expected_shapes(architecture(config), tuple(POSITION_CONV + name for name in weight_norm))
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}


def write_checkpoint(path: Path, n_labels: int = CONFIG["num_labels"], seed: int = 0) -> Path:
    """Writes a whole checkpoint of CONFIG with so many outputs, and the folders above it; returns its path."""
    config = {**CONFIG, "num_labels": n_labels}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"cfg": {"model": config}, "model": random_tensors(config, seed=seed)}, path)
    return path
