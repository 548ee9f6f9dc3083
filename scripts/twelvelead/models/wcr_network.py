"""The network of WCR and ECG-FM classifiers: convolutions over the leads, a transformer over time, a linear head.

It is the `ecg_transformer_classifier` of fairseq-signals (github.com/Jwoo5/fairseq-signals), which follows wav2vec 2.0
(Baevski et al. 2020, arXiv:2006.11477). Modules are named as in its checkpoints.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from twelvelead.errors import ModelError
from twelvelead.models.checkpoint import Checkpoint
from twelvelead.models.wcr_architecture import N_LEADS, Architecture, architecture

POSITION_CONV = "encoder.conv_pos.pos_conv.0."
# Magnitude g and direction v of the weight norm, as torch's parametrizations and as its older hook name them.
WEIGHT_NORM = (("parametrizations.weight.original0", "parametrizations.weight.original1"), ("weight_g", "weight_v"))
# Used while training only; a checkpoint may keep them.
TRAINING_ONLY = ("encoder.mask_emb", "encoder.quantizer.", "encoder.project_q.", "encoder.final_proj.")


class WcrNetwork(nn.Module):
    """Logits (n, labels) of signals (n, 12, 2500), with the head's input or the attention on request."""

    def __init__(self, sizes: Architecture):
        super().__init__()
        self.encoder = _Encoder(sizes)
        self.proj = nn.Linear(sizes.embed_dim, sizes.labels)

    def forward(self, signals: Tensor, padded_frames: Tensor | None = None) -> Tensor:
        """Logits (n, labels). padded_frames (n, frames) bool, True where a frame is padding."""
        return self.proj(self.embedding(signals, padded_frames))

    def embedding(self, signals: Tensor, padded_frames: Tensor | None = None) -> Tensor:
        """Mean of the encoder's output over time, (n, embed_dim): what the linear head reads."""
        encoded, _ = self.encoder(signals, padded_frames)
        if padded_frames is not None:
            encoded = encoded.masked_fill(padded_frames[:, :, None], 0.0)
        # As trained: a value of exactly 0, not only padding, counts as absent.
        return encoded.sum(dim=1) / (encoded != 0).sum(dim=1)

    def embedding_and_logits(self, signals: Tensor, padded_frames: Tensor | None = None) -> Tensor:
        """Both side by side, (n, embed_dim + labels), from one pass."""
        embedding = self.embedding(signals, padded_frames)
        return torch.cat([embedding, self.proj(embedding)], dim=1)

    def attention(self, signals: Tensor, padded_frames: Tensor | None = None) -> Tensor:
        """Attention weights averaged over heads, (n, layers, queries, keys)."""
        return torch.stack(self.encoder(signals, padded_frames, with_attention=True)[1], dim=1)

    def saliency(self, signals: Tensor, padded_frames: Tensor | None = None) -> Tensor:
        """The last layer's attention, for every query its maximum over keys, (n, queries)."""
        return self.encoder(signals, padded_frames, with_attention=True)[1][-1].amax(dim=-1)


class _Encoder(nn.Module):
    def __init__(self, sizes: Architecture):
        super().__init__()
        conv_dim = sizes.conv_layers[-1][0]
        self.feature_extractor = _FeatureExtractor(sizes)
        self.layer_norm = nn.LayerNorm(conv_dim)
        self.post_extract_proj = nn.Linear(conv_dim, sizes.embed_dim) if conv_dim != sizes.embed_dim else nn.Identity()
        self.conv_pos = _PositionConv(sizes)
        self.encoder = _Transformer(sizes)

    def forward(self, signals: Tensor, padded_frames: Tensor | None, with_attention: bool = False):
        features = self.layer_norm(self.feature_extractor(signals).transpose(1, 2))
        x = self.conv_pos(self.post_extract_proj(features))
        return self.encoder(x, padded_frames, with_attention)


class _FeatureExtractor(nn.Module):
    def __init__(self, sizes: Architecture):
        super().__init__()
        self.conv_layers = nn.ModuleList()
        channels_in = N_LEADS
        for index, (channels, kernel, stride) in enumerate(sizes.conv_layers):
            conv = nn.Conv1d(channels_in, channels, kernel, stride, bias=sizes.conv_bias)
            # Position 1 was dropout; positions are part of the checkpoint's keys.
            norm = [nn.Identity(), nn.GroupNorm(channels, channels)] if index == 0 else []
            self.conv_layers.append(nn.Sequential(conv, *norm, nn.GELU()))
            channels_in = channels

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.conv_layers:
            x = layer(x)
        return x


class _PositionConv(nn.Module):
    def __init__(self, sizes: Architecture):
        super().__init__()
        kernel = sizes.conv_pos
        self.pos_conv = nn.Sequential(
            nn.Conv1d(sizes.embed_dim, sizes.embed_dim, kernel, padding=kernel // 2, groups=sizes.conv_pos_groups)
        )

    def forward(self, x: Tensor) -> Tensor:
        # An even kernel padded by half of it makes one frame too many.
        position = self.pos_conv(x.transpose(1, 2))[:, :, : x.shape[1]]
        return x + functional.gelu(position).transpose(1, 2)


class _Transformer(nn.Module):
    def __init__(self, sizes: Architecture):
        super().__init__()
        self.layer_norm_first = sizes.layer_norm_first
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes.layers))
        self.layer_norm = nn.LayerNorm(sizes.embed_dim)

    def forward(self, x: Tensor, padded_frames: Tensor | None, with_attention: bool) -> tuple[Tensor, list[Tensor]]:
        attended = None
        if padded_frames is not None:
            x = x.masked_fill(padded_frames[:, :, None], 0.0)
            attended = ~padded_frames[:, None, None, :]
        if not self.layer_norm_first:
            x = self.layer_norm(x)
        attention = []
        for layer in self.layers:
            if with_attention:
                attention.append(layer.attention(x, attended))
            x = layer(x, attended)
        return (self.layer_norm(x) if self.layer_norm_first else x), attention


class _Layer(nn.Module):
    def __init__(self, sizes: Architecture):
        super().__init__()
        self.layer_norm_first = sizes.layer_norm_first
        self.self_attn = _SelfAttention(sizes.embed_dim, sizes.heads)
        self.self_attn_layer_norm = nn.LayerNorm(sizes.embed_dim)
        self.fc1 = nn.Linear(sizes.embed_dim, sizes.ffn_dim)
        self.fc2 = nn.Linear(sizes.ffn_dim, sizes.embed_dim)
        self.final_layer_norm = nn.LayerNorm(sizes.embed_dim)

    def forward(self, x: Tensor, attended: Tensor | None) -> Tensor:
        if self.layer_norm_first:
            x = x + self.self_attn(self.self_attn_layer_norm(x), attended)
            return x + self._feed_forward(self.final_layer_norm(x))
        x = self.self_attn_layer_norm(x + self.self_attn(x, attended))
        return self.final_layer_norm(x + self._feed_forward(x))

    def attention(self, x: Tensor, attended: Tensor | None) -> Tensor:
        return self.self_attn.weights(self.self_attn_layer_norm(x) if self.layer_norm_first else x, attended)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class _SelfAttention(nn.Module):
    def __init__(self, embed_dim: int, heads: int):
        super().__init__()
        self.heads = heads
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            self.add_module(name, nn.Linear(embed_dim, embed_dim))

    def forward(self, x: Tensor, attended: Tensor | None) -> Tensor:
        query, key, value = (self._by_head(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, attended: Tensor | None) -> Tensor:
        """(n, queries, keys), averaged over heads."""
        query, key = self._by_head(self.q_proj(x)), self._by_head(self.k_proj(x))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        if attended is not None:
            scores = scores.masked_fill(~attended, -math.inf)
        return scores.softmax(dim=-1).mean(dim=1)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def network_of(checkpoint: Checkpoint) -> WcrNetwork:
    """The network with the checkpoint's tensors, float32, in evaluation mode, the weight norm folded into its weight.

    Raises ModelError that names the first tensor which is missing, of another shape, or not the network's.
    """
    sizes = architecture(checkpoint.model_config)
    _check_tensors(checkpoint, expected_shapes(sizes, _weight_norm_names(checkpoint)))
    with torch.device("meta"):
        network = WcrNetwork(sizes)
    folded = POSITION_CONV + "weight"
    state = {name: checkpoint.tensors[name].read() for name in network.state_dict() if name != folded}
    magnitude, direction = (checkpoint.tensors[name].read() for name in _weight_norm_names(checkpoint))
    norm = torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True)
    state[folded] = direction * (magnitude / norm)
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()


def expected_shapes(sizes: Architecture, weight_norm_names: tuple[str, str]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a checkpoint with these sizes; its weight norm's g and v as named."""
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in WcrNetwork(sizes).state_dict().items()}
    magnitude, direction = weight_norm_names
    shapes[direction] = shapes.pop(POSITION_CONV + "weight")
    shapes[magnitude] = (1, 1, sizes.conv_pos)
    return shapes


def _weight_norm_names(checkpoint: Checkpoint) -> tuple[str, str]:
    names = [tuple(POSITION_CONV + name for name in pair) for pair in WEIGHT_NORM]
    return next((pair for pair in names if pair[0] in checkpoint.tensors), names[0])


def _check_tensors(checkpoint: Checkpoint, expected: dict[str, tuple[int, ...]]) -> None:
    for name, shape in expected.items():
        if name not in checkpoint.tensors:
            raise ModelError(
                f"tensor {name} is missing, expected shape {shape}; the checkpoint is not whole, or its configuration "
                "(base_ssl.pt's, where that is there) is another model's"
            )
        if checkpoint.tensors[name].shape != shape:
            raise ModelError(
                f"tensor {name} has shape {checkpoint.tensors[name].shape}, expected {shape}; the checkpoint's "
                "configuration (base_ssl.pt's, where that is there) is another model's"
            )
    for name in checkpoint.tensors:
        if name not in expected and not name.startswith(TRAINING_ONLY):
            raise ModelError(
                f"tensor {name[:200]} of shape {checkpoint.tensors[name].shape} is not used, expected none beyond the "
                "network's; the checkpoint is another kind of model's"
            )
