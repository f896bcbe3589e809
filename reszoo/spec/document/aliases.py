"""Aliases: words of Keras, timm and torch, and the fields and values of reszoo they stand for.

None is accepted: a second spelling would be a second language. An error names the line to write.
"""

from __future__ import annotations

from typing import Any

KEYS = {
    "architecture": {
        **dict.fromkeys(("model", "model_name", "arch", "backbone", "base", "parent"), "extends"),
        **dict.fromkeys(("num_classes", "nb_classes", "n_classes", "num_labels"), "classes"),
        **dict.fromkeys(
            ("input_shape", "input_size", "image_shape", "image_size", "img_size", "imgsz"),
            "input.shape",
        ),
        **dict.fromkeys(("act", "act_layer", "nonlinearity"), "activation"),
        **dict.fromkeys(("norm_layer", "normalization", "normalisation"), "norm"),
        **dict.fromkeys(("global_pool", "pooling"), "head.pool"),
        **dict.fromkeys(("drop", "drop_rate", "dropout_rate"), "head.dropout"),
        **dict.fromkeys(("drop_path", "drop_path_rate"), "block.survival_probability"),
        **dict.fromkeys(("zero_init_last", "zero_init_residual"), "block.zero_gamma"),
        **dict.fromkeys(("cardinality",), "block.groups"),
        **dict.fromkeys(("crop_pct",), "input.crop"),
    },
    "recipe": {
        **dict.fromkeys(("lr", "learning_rate", "base_lr", "max_lr", "lr_peak"), "schedule.peak"),
        **dict.fromkeys(("batch_size", "bs", "b", "global_batch_size"), "batch"),
        **dict.fromkeys(("num_epochs", "max_epochs", "n_epochs", "epoch"), "epochs"),
        **dict.fromkeys(("opt", "optim"), "optimizer.kind"),
        **dict.fromkeys(("weight_decay", "wd"), "optimizer.weight_decay"),
        **dict.fromkeys(("momentum",), "optimizer.momentum"),
        **dict.fromkeys(("sched", "scheduler", "lr_scheduler", "lr_schedule"), "schedule.kind"),
        **dict.fromkeys(
            ("clip_grad", "grad_clip", "clipnorm", "max_grad_norm"), "optimizer.clip_norm"
        ),
        **dict.fromkeys(("criterion", "loss_fn"), "loss"),
        **dict.fromkeys(("smoothing", "label_smooth"), "label_smoothing"),
        **dict.fromkeys(("mixup", "mixup_alpha"), "augmentation.mixup"),
        **dict.fromkeys(("cutmix", "cutmix_alpha"), "augmentation.cutmix"),
        **dict.fromkeys(("reprob", "random_erasing"), "augmentation.erasing.probability"),
        **dict.fromkeys(("val_split", "validation_split"), "validation.fraction"),
        **dict.fromkeys(("drop", "drop_rate", "dropout", "dropout_rate"), "regularization.dropout"),
        **dict.fromkeys(("drop_path", "drop_path_rate"), "regularization.survival_probability"),
        **dict.fromkeys(("ema_decay", "model_ema_decay"), "ema.kept"),
        **dict.fromkeys(("dtype", "mixed_precision"), "precision"),
    },
    "search": {
        **dict.fromkeys(("max_trials", "trials", "num_trials", "n_trials"), "strategy.trials"),
        **dict.fromkeys(("model", "model_name", "arch", "extends"), "base"),
        **dict.fromkeys(("random_seed",), "seed"),
    },
    "target": {
        **dict.fromkeys(("quantize", "quantisation"), "quantization"),
        **dict.fromkeys(("batch_size",), "batch"),
        **dict.fromkeys(("input_dtype", "input_type", "inference_input_type"), "input"),
        **dict.fromkeys(("output_dtype", "output_type", "inference_output_type"), "output"),
    },
}
"""By kind of document: path of the field that a key stands for."""

SIBLINGS = {
    **dict.fromkeys(("kernel_size", "ksize"), ("kernel",)),
    **dict.fromkeys(("strides",), ("stride",)),
    **dict.fromkeys(("pool_size",), ("size",)),
    **dict.fromkeys(("blocks", "num_blocks", "layers", "repeats", "n"), ("depth",)),
    **dict.fromkeys(("channels", "planes", "out_channels"), ("width", "filters")),
    **dict.fromkeys(("filters",), ("width",)),
    **dict.fromkeys(("width",), ("filters",)),
    **dict.fromkeys(("eps",), ("epsilon",)),
    **dict.fromkeys(("use_bias",), ("bias",)),
    **dict.fromkeys(("units",), ("hidden",)),
    **dict.fromkeys(("drop_rate", "dropout_rate", "rate"), ("dropout",)),
    **dict.fromkeys(("act", "act_layer"), ("activation",)),
    **dict.fromkeys(("norm_layer",), ("norm",)),
    **dict.fromkeys(("p", "prob"), ("probability",)),
    **dict.fromkeys(("type", "name"), ("kind",)),
    **dict.fromkeys(("clipnorm",), ("clip_norm",)),
    **dict.fromkeys(("decay_rate", "decay"), ("kept",)),
}
"""Keys beside which the same mapping has another one; the first that it has is meant."""

WORDS = {
    **dict.fromkeys(("swish",), ("silu",)),
    **dict.fromkeys(("hswish", "hardsilu"), ("hard_swish",)),
    **dict.fromkeys(("lrelu",), ("leaky_relu",)),
    **dict.fromkeys(("linear",), ("none", "bilinear", "triangular")),
    **dict.fromkeys(("identity",), ("none", "residual")),
    **dict.fromkeys(("batchnorm", "batchnorm2d", "batchnormalization", "bn"), ("batch",)),
    **dict.fromkeys(("kaimingnormal", "msra"), ("he_normal",)),
    **dict.fromkeys(("kaiminguniform",), ("he_uniform",)),
    **dict.fromkeys(("xavieruniform", "xavier"), ("glorot_uniform",)),
    **dict.fromkeys(("xaviernormal",), ("glorot_normal",)),
    **dict.fromkeys(("avg", "avgpool", "averagepool", "gap", "mean"), ("average",)),
    **dict.fromkeys(("maxpool",), ("max", "max_pool")),
    **dict.fromkeys(("flatten",), ("none",)),
    **dict.fromkeys(("squeezeexcite", "squeezeexcitation", "semodule"), ("se",)),
    **dict.fromkeys(("basicblock",), ("basic",)),
    **dict.fromkeys(("skip",), ("residual",)),
    **dict.fromkeys(("conv1x1", "downsample"), ("projection",)),
    **dict.fromkeys(("pytorch", "symmetric"), ("torch",)),
    **dict.fromkeys(("cubic",), ("bicubic",)),
    **dict.fromkeys(("nesterov", "nag"), ("sgd",)),
    **dict.fromkeys(("cos", "cosinedecay", "cosineannealing", "cosineannealinglr"), ("cosine",)),
    **dict.fromkeys(("multistep", "multisteplr", "steplr", "piecewise"), ("step",)),
    **dict.fromkeys(("reducelronplateau",), ("plateau",)),
    **dict.fromkeys(("poly", "polynomialdecay"), ("polynomial",)),
    **dict.fromkeys(("ce", "categoricalcrossentropy", "crossentropyloss"), ("cross_entropy",)),
    **dict.fromkeys(("sparsecategoricalcrossentropy",), ("cross_entropy",)),
    **dict.fromkeys(("bce", "bcewithlogits", "binarycrossentropy"), ("binary_cross_entropy",)),
    **dict.fromkeys(("bf16", "bfloat16"), ("mixed_bfloat16", "bfloat16")),
    **dict.fromkeys(("fp16", "float16", "half", "amp"), ("mixed_float16",)),
    **dict.fromkeys(("fp32", "float"), ("float32",)),
    **dict.fromkeys(("savedmodel",), ("saved_model",)),
    **dict.fromkeys(("mish", "selu", "celu", "prelu", "rrelu", "sigmoid", "softplus"), ()),
    **dict.fromkeys(("layer", "layernorm", "group", "groupnorm", "instance"), ()),
}
"""Values by their letters and digits; the first that the field takes is meant, and for those with
none nothing similar is proposed, since it would be something else."""


def squash(word: str) -> str:
    """Returns a word's letters and digits in lower case: `hard-swish` as `hardswish`."""
    return "".join(letter for letter in word.lower() if letter.isalnum())


def value_for(word: str, choices: list[str]) -> str | None:
    """Returns the choice a word stands for; empty if it has none, None if the word is unknown."""
    letters = squash(word)
    if same := [choice for choice in choices if squash(choice) == letters]:
        return same[0]
    if (meant := WORDS.get(letters)) is None:
        return None
    return next((choice for choice in meant if choice in choices), None if meant else "")


def key_for(key: str, kind: str) -> tuple[str, ...] | None:
    """Returns the path of the field that a key of a kind of document stands for."""
    path = KEYS[kind].get(key.lower().replace("-", "_"))
    return tuple(path.split(".")) if path else None


def sibling_for(key: str, fields: list[str]) -> str | None:
    """Returns the field that a key stands for among those of its own mapping."""
    same = [field for field in fields if squash(field) == squash(key)]
    meant = [*same, *SIBLINGS.get(key.lower().replace("-", "_"), ())]
    return next((field for field in meant if field in fields), None)


def convert(path: tuple[str, ...], value: Any, channels: int = 3) -> Any:
    """Returns the value of an alias as the field at `path` takes it."""
    if path[-1] == "survival_probability" and isinstance(value, int | float):
        return round(1 - value, 6)
    if path == ("input", "shape"):
        return image_shape(value, channels)
    return value


def image_shape(value: Any, channels: int) -> Any:
    """Returns a side, a height and width, or torch's channels first, as [height, width, channels].

    >>> image_shape(96, 3), image_shape([1, 28, 32], 3)
    ([96, 96, 3], [28, 32, 1])
    """
    sides = [value, value] if isinstance(value, int) else value
    if not isinstance(sides, list | tuple) or len(sides) not in (2, 3):
        return value
    if len(sides) == 2:
        return [*sides, channels]
    return [*sides[1:], sides[0]] if sides[0] in (1, 3) and sides[2] not in (1, 3) else list(sides)
