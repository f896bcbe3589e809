"""Options of timm, Keras and torch scripts, and the options of reszoo to write instead."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from reszoo.spec.document.aliases import convert, key_for
from reszoo.spec.document.yaml_source import parse_value
from reszoo.spec.document.yaml_text import to_flow
from reszoo.spec.lookup import document_class

OPTIONS = {
    **dict.fromkeys(("model", "arch", "architecture", "net", "network"), "{}"),
    **dict.fromkeys(("config", "cfg"), "{}"),
    **dict.fromkeys(("epoch", "num_epochs", "max_epochs", "nb_epochs"), "--epochs {}"),
    **dict.fromkeys(("data_dir", "data_path", "dataset_dir", "root"), "--data folder:{}"),
    "dataset": "--data {}",
    **dict.fromkeys(("output", "output_dir", "out_dir", "save_dir", "logdir"), "-o {}"),
    "pretrained": "--weights keras:imagenet",
    **dict.fromkeys(("amp", "fp16", "mixed_precision"), "--precision mixed_float16"),
    "bf16": "--precision mixed_bfloat16",
    **dict.fromkeys(("initial_checkpoint", "checkpoint", "ckpt"), "--from {}"),
    **dict.fromkeys(("grad_accum_steps", "accumulation_steps"), "--accumulate {}"),
    **dict.fromkeys(("random_seed", "manual_seed"), "--seed {}"),
}
"""Options that are no field of a document; `{}` alone is the word after the command."""

_SETS = {"tune": (("--set", "search"),), "export": (("--set", "target"),)}
_OTHER_SETS = (("--set", "architecture"), ("--set-recipe", "recipe"))


def line_for(command: str, words: Sequence[str], known: Sequence[str]) -> str | None:
    """Returns what to write instead of an unknown option, or None if its name says nothing.

    Args:
      command: the name of the command, such as `train`.
      words: the unknown option and what follows it: `--lr 0.1` or `--lr=0.1`.
      known: the options of the command.
    """
    option, equals, value = words[0].partition("=")
    name = option.lstrip("-").lower().replace("-", "_")
    text = value if equals else next(iter(words[1:2]), "")
    text = "" if text.startswith("--") else text
    if template := OPTIONS.get(name):
        first, word = template.split()[0], shlex.quote(text) if text else name.upper()
        if first == "{}":
            return f"reszoo {command} {word}"
        if first in known:
            return template.format(word)
    for setter, kind in _SETS.get(command, _OTHER_SETS):
        if setter not in known:
            continue
        path = key_for(name, kind)
        if path is None and name in document_class(kind).model_fields:
            path = (name,)
        if path is not None:
            found = convert(path, parse_value(text, setter).plain()) if text else name.upper()
            return f"{setter} {shlex.quote('.'.join(path) + '=' + to_flow(found))}"
    return None
