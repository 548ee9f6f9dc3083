"""A WCR checkpoint of random tensors, and the same network as plain PyTorch functions, to compare ours with."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from twelvelead.models.wcr_architecture import Architecture, architecture
from twelvelead.models.wcr_network import POSITION_CONV, WEIGHT_NORM, expected_shapes

# Sizes of DeepECG's WCR models with 77 outputs: 90 million parameters.
FULL_SIZE = {
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "layer_norm_first": False,
    "conv_feature_layers": "[(256, 2, 2)] * 4",
    "conv_bias": False,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "num_labels": 77,
}
MAGNITUDE, DIRECTION = (POSITION_CONV + name for name in WEIGHT_NORM[0])


def random_tensors(config: Mapping, seed: int = 0) -> dict[str, Tensor]:
    """Tensors of a checkpoint with this configuration, by name; layers neither blow signals up nor let them vanish."""
    torch.manual_seed(seed)
    tensors = {}
    for name, shape in expected_shapes(architecture(config), (MAGNITUDE, DIRECTION)).items():
        if len(shape) > 1:
            tensors[name] = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
        else:
            tensors[name] = torch.randn(shape) * 0.02 + (1.0 if name.endswith("weight") else 0.0)
    tensors[MAGNITUDE] = torch.linalg.vector_norm(tensors[DIRECTION], dim=(0, 1), keepdim=True)
    return tensors


def write_checkpoint(folder: Path, config: Mapping, tensors: Mapping[str, Tensor]) -> Path:
    """Writes one checkpoint in DeepECG's layout into a new folder, and returns the folder."""
    folder.mkdir(parents=True)
    torch.save({"cfg": {"model": dict(config)}, "model": dict(tensors)}, folder / "wcr_random.pt")
    return folder


def model_settings(config: Mapping, **further) -> dict:
    """Settings for wcr.load of such a checkpoint."""
    return {"outputs": [f"output {number}" for number in range(config["num_labels"])], **further}


def functional_logits(signals: Tensor, config: Mapping, tensors: Mapping[str, Tensor], need_weights: bool) -> Tensor:
    """(n, labels) logits of (n, 12, 2500) signals by a post-norm network without convolution biases.

    As fairseq-signals' modules compute them: attention by torch.nn.functional.multi_head_attention_forward with time
    first, the positional convolution's weight normed anew in every call.
    """
    sizes = architecture(config)
    x = _linear(_features(signals, sizes, tensors), tensors, "encoder.post_extract_proj")
    x = x + _position(x, sizes, tensors)
    x = _norm(x, tensors, "encoder.encoder.layer_norm").transpose(0, 1)
    for layer in range(sizes.layers):
        name = f"encoder.encoder.layers.{layer}"
        attended = _attention(x, sizes, tensors, f"{name}.self_attn", need_weights)
        x = _norm(x + attended, tensors, f"{name}.self_attn_layer_norm")
        wide = functional.gelu(_linear(x, tensors, f"{name}.fc1"))
        x = _norm(x + _linear(wide, tensors, f"{name}.fc2"), tensors, f"{name}.final_layer_norm")
    return _linear(x.sum(dim=0) / (x != 0).sum(dim=0), tensors, "proj")


def _features(x: Tensor, sizes: Architecture, tensors: Mapping[str, Tensor]) -> Tensor:
    for index, (channels, _, stride) in enumerate(sizes.conv_layers):
        name = f"encoder.feature_extractor.conv_layers.{index}"
        x = functional.conv1d(x, tensors[f"{name}.0.weight"], stride=stride)
        if index == 0:
            x = functional.group_norm(x, channels, tensors[f"{name}.2.weight"], tensors[f"{name}.2.bias"])
        x = functional.gelu(x)
    return _norm(x.transpose(1, 2), tensors, "encoder.layer_norm")


def _position(x: Tensor, sizes: Architecture, tensors: Mapping[str, Tensor]) -> Tensor:
    direction = tensors[DIRECTION]
    norm = torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True)
    position = functional.conv1d(
        x.transpose(1, 2),
        direction * (tensors[MAGNITUDE] / norm),
        tensors[POSITION_CONV + "bias"],
        padding=sizes.conv_pos // 2,
        groups=sizes.conv_pos_groups,
    )
    return functional.gelu(position[:, :, : x.shape[1]]).transpose(1, 2)


def _attention(x: Tensor, sizes: Architecture, tensors: Mapping[str, Tensor], name: str, need_weights: bool) -> Tensor:
    query, key, value = (tensors[f"{name}.{part}_proj.weight"] for part in "qkv")
    mixed, _ = functional.multi_head_attention_forward(
        query=x,
        key=x,
        value=x,
        embed_dim_to_check=sizes.embed_dim,
        num_heads=sizes.heads,
        in_proj_weight=None,
        in_proj_bias=torch.cat([tensors[f"{name}.{part}_proj.bias"] for part in "qkv"]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=tensors[f"{name}.out_proj.weight"],
        out_proj_bias=tensors[f"{name}.out_proj.bias"],
        training=False,
        need_weights=need_weights,
        use_separate_proj_weight=True,
        q_proj_weight=query,
        k_proj_weight=key,
        v_proj_weight=value,
    )
    return mixed


def _linear(x: Tensor, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _norm(x: Tensor, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"])
