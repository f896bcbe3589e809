"""YAML that is none, and specs that are larger than any network."""

from __future__ import annotations

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


from tests.hostile.rows import NEST, Row, command, content

STAGES = "stages: [{depth: 1, width: 4}]"
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in itertools.pairwise("abcdefghi")
)


def spec(**changes: str) -> str:
    fields = {"name": "net", "classes": "2", "input": "{shape: [8, 8, 1]}"} | changes
    fields = {"stages": "[{depth: 1, width: 4}]"} | fields
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


SPECS = [
    ("whole", spec(), "net"),
    ("byte-order mark", "\ufeff" + spec(), "net"),
    ("CRLF", spec().replace("\n", "\r\n"), "net"),
    ("empty", "", "error: .* is empty"),
    ("a comment alone", "# nothing\n", "error: .* is empty"),
    ("a list", "- a\n- b\n", "error: .* does not hold a mapping"),
    ("UTF-16", spec().encode("utf-16"), "error: .* is a binary file"),
    ("Latin-1", spec(title="Größe").encode("latin-1"), "error: .* is not UTF-8"),
    ("NUL", spec() + "\0", "error: .* is a binary file"),
    ("escape", spec(title="a\x1b[31m"), "error: .* holds a control character"),
    ("tabs", "name: net\nstages:\n\t- {depth: 1}\n", "error: tabs cannot indent"),
    ("billion laughs", LAUGHS + spec(), "error: YAML aliases"),
    ("an alias", "a: &a 3\nb: *a\n" + spec(), "error: YAML aliases"),
    ("an alias of itself", "a: &a [*a]\n" + spec(), "error: YAML aliases"),
    ("merge key", "<<: {a: 1}\n" + spec(), "error: "),
    ("deep lists", "name: " + "[" * NEST, "error: .*(too deep|not valid YAML)"),
    ("deep mappings", "name: " + "{a: " * NEST, "error: .*(too deep|not valid YAML)"),
    ("deep blocks", "".join(" " * n + "a:\n" for n in range(900)), "error: .* too deep"),
    ("duplicate keys", spec() + "classes: 3\n", "error: the key 'classes' is given twice"),
    ("a list as key", "[a]: 1\n" + spec(), "error: a key must be a word"),
    ("number of 10,000 digits", spec(classes="9" * 10_000), "error: this number is too large"),
    ("number of 300 digits", spec(classes="9" * 300), "error: "),
    ("tag of Python", spec(title="!!python/object/apply:os.system ['true']"),
     "error: YAML tags are not allowed"),
    ("tag of a set", spec(title="!!set {a, b}"), "error: YAML tags are not allowed"),
    ("two documents", spec() + "---\n" + spec(), "error: the file holds several"),
    ("10 MB", spec() + "# " + "x" * 10_000_000, "error: .* is too large for a spec"),
    ("open bracket", "name: [\n", "error: this is not valid YAML"),
    ("extends itself", "extends: ./net.yaml\n" + spec(), "error: "),
    ("extends a device", "extends: /dev/zero\nname: x\n", "error: "),
    ("extends a folder", "extends: ./\nname: x\n", "error: "),
    ("depth 1e9", spec(stages="[{depth: 1000000000, width: 4}]"), "error: stages\\[0\\].depth"),
    ("stages of 10,000 blocks", spec(stages="[" + "{depth: 10000, width: 4}, " * 300 + "]"),
     "error: "),
    ("10,000 stages", spec(stages="[" + "{depth: 1, width: 4}, " * 10_001 + "]"),
     "error: "),
    ("width 1e9", spec(stages="[{depth: 1, width: 1000000000}]"), "9,000,000,"),
    ("width 1e10", spec(stages="[{depth: 1, width: 10000000000}]"), "error: "),
    ("width 1e300", spec(stages="[{depth: 1, width: 1" + "0" * 300 + "}]"), "error: "),
    ("width 0", spec(stages="[{depth: 1, width: 0}]"), "error: "),
    ("width -1", spec(stages="[{depth: 1, width: -1}]"), "error: "),
    ("width NaN", spec(stages="[{depth: 1, width: .nan}]"), "error: "),
    ("classes 1e9", spec(classes="1000000000"), "5,000,00"),
    ("input of 1e9", spec(input="{shape: [1000000000, 1000000000, 3]}"), " T"),
    ("kernel 1e9", spec(stem="{kernel: 1000000001}"), " T"),
    ("100 stem convolutions", spec(stem="{filters: [" + "4, " * 100 + "]}"), "net"),
    ("stem of 10,000 filters", spec(stem="{filters: [" + "4, " * 10_000 + "]}"), "error: "),
    ("std 0", spec(input="{shape: [8, 8, 1], std: 0}"), "error: "),
    ("mean of infinity", spec(input="{shape: [8, 8, 1], mean: .inf}"), "error: "),
    ("name with a path", spec(name="../../x"), "error: "),
    ("name CON", spec(name="CON"), "error: "),
]  # fmt: skip

ROWS = [
    Row(f"spec: {name}", "net.yaml", content(text), command("show", "FILE"), expected)
    for name, text, expected in SPECS
]
