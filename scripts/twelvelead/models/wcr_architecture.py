"""Sizes of a WCR or ECG-FM network, from the configuration in its checkpoint; nothing in it is evaluated."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from twelvelead.errors import ModelError

N_LEADS = 12
N_SAMPLES = 2500

# Upper bounds, far above any published model: a checkpoint's numbers must not decide how much memory is asked for.
LARGEST = {
    "encoder_layers": 64,
    "encoder_embed_dim": 8192,
    "encoder_ffn_embed_dim": 32768,
    "encoder_attention_heads": 256,
    "conv_pos": 2048,
    "conv_pos_groups": 1024,
    "num_labels": 10_000,
}
MOST_CONV_LAYERS = 32
LARGEST_CONV_LAYER = (8192, 2048, 256)  # channels, kernel, stride
LONGEST_LAYER_TEXT = 1000


@dataclass(frozen=True)
class Architecture:
    """Sizes of one network.

    conv_layers       (channels, kernel, stride) of each
    layer_norm_first  pre-norm, else post-norm
    """

    conv_layers: tuple[tuple[int, int, int], ...]
    conv_bias: bool
    embed_dim: int
    ffn_dim: int
    layers: int
    heads: int
    layer_norm_first: bool
    conv_pos: int
    conv_pos_groups: int
    labels: int


def architecture(config: Mapping) -> Architecture:
    """The sizes that a checkpoint's model configuration states; keys that play no part are ignored.

    Raises ModelError for a key that is missing or wrong, and for a variant of the network that is not built here.
    """
    sizes = {key: _size(config, key) for key in LARGEST}
    for key, expected in (("in_d", N_LEADS), ("extractor_mode", "default")):
        if config.get(key, expected) != expected:
            raise ModelError(
                f"model configuration: {key} is {config[key]!r}, expected {expected!r}, the only one built"
            )
    for divisor in ("encoder_attention_heads", "conv_pos_groups"):
        if sizes["encoder_embed_dim"] % sizes[divisor]:
            raise ModelError(
                f"model configuration: {divisor} is {sizes[divisor]}, expected a divisor of encoder_embed_dim "
                f"{sizes['encoder_embed_dim']}; is the checkpoint whole?"
            )
    conv_layers = parse_conv_layers(config.get("conv_feature_layers"))
    if frames(N_SAMPLES, conv_layers) < 1:
        raise ModelError(
            f"model configuration: conv_feature_layers {config['conv_feature_layers']!r} leave no frame of "
            f"{N_SAMPLES} samples, expected at least one"
        )
    return Architecture(
        conv_layers=conv_layers,
        conv_bias=_flag(config, "conv_bias", default=False),
        embed_dim=sizes["encoder_embed_dim"],
        ffn_dim=sizes["encoder_ffn_embed_dim"],
        layers=sizes["encoder_layers"],
        heads=sizes["encoder_attention_heads"],
        layer_norm_first=_flag(config, "layer_norm_first"),
        conv_pos=sizes["conv_pos"],
        conv_pos_groups=sizes["conv_pos_groups"],
        labels=sizes["num_labels"],
    )


def parse_conv_layers(text: object) -> tuple[tuple[int, int, int], ...]:
    """(channels, kernel, stride) of each layer, from text such as "[(24, 5, 3)] + [(48, 2, 2)] * 3".

    The text is Python, of which only lists of such tuples, + and * are read; nothing is evaluated. Raises ModelError.
    """
    problem = ModelError(
        f"model configuration: conv_feature_layers is {str(text)[:80]!r}, expected 1 to {MOST_CONV_LAYERS} layers "
        "written like [(256, 2, 2)] * 4, (channels, kernel, stride) each and none above "
        f"{LARGEST_CONV_LAYER}; is the checkpoint whole?"
    )
    if not isinstance(text, str) or len(text) > LONGEST_LAYER_TEXT:
        raise problem
    try:
        layers = _layer_list(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise problem from None
    sizes = [pair for layer in layers for pair in zip(layer, LARGEST_CONV_LAYER, strict=True)]
    if not layers or any(not 1 <= size <= most for size, most in sizes):
        raise problem
    return tuple(layers)


def frames(n_samples: int, conv_layers: tuple[tuple[int, int, int], ...]) -> int:
    """Number of frames that the convolutions make of `n_samples` samples."""
    for _, kernel, stride in conv_layers:
        n_samples = max(0, (n_samples - kernel) // stride + 1)
    return n_samples


def _size(config: Mapping, key: str) -> int:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST[key]:
        found = f"is {value!r}" if key in config else "is not there"
        raise ModelError(f"model configuration: {key} {found}, expected a whole number of 1 to {LARGEST[key]}")
    return value


def _flag(config: Mapping, key: str, default: bool | None = None) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        found = f"is {value!r}" if key in config else "is not there"
        raise ModelError(f"model configuration: {key} {found}, expected true or false")
    return value


def _layer_list(node: ast.expr) -> list[tuple[int, int, int]]:
    """Layers of an expression. Raises ValueError for anything but lists of three numbers, + and *."""
    if isinstance(node, ast.List):
        layers = [tuple(_whole_number(size) for size in layer.elts) for layer in node.elts if _is_triple(layer)]
        if len(layers) < len(node.elts):
            raise ValueError
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        layers = _layer_list(node.left) + _layer_list(node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        repeated, times = (node.right, node.left) if isinstance(node.left, ast.Constant) else (node.left, node.right)
        layers = _layer_list(repeated) * min(_whole_number(times), MOST_CONV_LAYERS + 1)
    else:
        raise ValueError
    if len(layers) > MOST_CONV_LAYERS:
        raise ValueError
    return layers


def _is_triple(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple | ast.List) and len(node.elts) == len(LARGEST_CONV_LAYER)


def _whole_number(node: ast.expr) -> int:
    if not isinstance(node, ast.Constant) or type(node.value) is not int:
        raise ValueError
    return node.value
