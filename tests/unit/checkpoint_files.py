"""A checkpoint's file with two tensors and a configuration, too few for a network."""

import torch

CONFIG = {"_name": "ecg_transformer_classifier", "encoder_layers": 2, "encoder_attention_heads": 4, "num_labels": 3}


def save(path, config=None, dtype=torch.float32, **top):
    """Writes it as torch.save does, with CONFIG unless given; top: further or other keys of the whole."""
    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3).T.to(dtype), "b": torch.tensor([0.5], dtype=dtype)}
    content = {"args": None, "cfg": {"model": CONFIG if config is None else config}, "model": tensors, **top}
    torch.save(content, path)
    return path
