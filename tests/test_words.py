"""Everything has the name by which people look for it, once, and says in one line what it is."""

from __future__ import annotations

import ast
import builtins
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest

import reszoo

PACKAGE = Path(reszoo.__file__).parent
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

FIELD = (
    *("ema", "warmup", "mixup", "cutmix", "tta", "net2net", "precise_bn", "param_group"),
    *("drop_path", "progressive", "fine_tune", "loss_scale", "sampler"),
)
"""The field's words for what reszoo does."""

OWN_NAMES = {"__init__", "__main__"}
"""Modules that Python names."""

IMPORTED_AS = {"pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn"}
"""Distributions whose package has another name."""


@cache
def modules(package: Path) -> dict[str, ast.Module]:
    """Each module by its path in the package."""
    return {
        str(path.relative_to(package)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }


def stem(file: str) -> str:
    return Path(file).stem


def is_command(file: str) -> bool:
    """Whether a file is a command's, which has the name of what it calls."""
    return file.startswith("cli/")


def poor_summaries(package: Path) -> list[str]:
    """Modules without a docstring, or whose first line is a question or no sentence."""
    poor = []
    for file, tree in modules(package).items():
        summary = (ast.get_docstring(tree) or "").partition("\n")[0]
        if "?" in summary or not summary.endswith("."):
            poor.append(f"{file}: {summary}")
    return poor


def doubled_files(package: Path) -> list[list[str]]:
    files = defaultdict(list)
    for file in modules(package):
        if stem(file) not in OWN_NAMES and not is_command(file):
            files[stem(file)].append(file)
    return [doubles for doubles in files.values() if len(doubles) > 1]


def doubled_classes(package: Path) -> list[list[str]]:
    classes = defaultdict(list)
    for file, tree in modules(package).items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(f"{file}:{node.name}")
    return [doubles for doubles in classes.values() if len(doubles) > 1]


def dependencies() -> set[str]:
    """Names of the packages that reszoo declares for its users, as they are imported."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"]]
    required += [one for extra in extras if extra != "dev" for one in extras[extra]]
    names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in required}
    return {IMPORTED_AS.get(name, name).replace("-", "_") for name in names}


def borrowed_names(package: Path) -> list[str]:
    """Modules and packages with the name of a builtin, a standard module or a dependency."""
    taken = set(dir(builtins)) | sys.stdlib_module_names | dependencies()
    return [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*"))
        if (path.suffix == ".py" or path.is_dir())
        and path.stem not in OWN_NAMES | {"__pycache__"}
        and not is_command(str(path.relative_to(package)))
        and path.stem in taken
    ]


def names(package: Path) -> Iterator[str]:
    """Every name of a file, a function or a class."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for file, tree in modules(package).items():
        yield stem(file)
        yield from (node.name for node in ast.walk(tree) if isinstance(node, kinds))


def phrases(name: str) -> set[str]:
    """All runs of a name's words, joined: `Net2NetResult` gives `net2net`, `netresult`, ..."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return {phrase.lower() for begin in range(len(words)) for phrase in accumulate(words[begin:])}


@cache
def all_phrases(package: Path) -> set[str]:
    """The phrases of every name."""
    return {phrase for name in set(names(package)) for phrase in phrases(name)}


def has_word(package: Path, word: str) -> bool:
    """Whether a name holds the word, in the singular or plural."""
    joined = word.replace("_", "")
    return bool({joined, f"{joined}s"} & all_phrases(package))


def private_imports(package: Path) -> list[str]:
    """Imports of a private name or module of another package of reszoo."""
    found = []
    for file, tree in modules(package).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                imported = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            else:
                continue
            for name in imported:
                root, *parts = name.split(".")
                private = any(part.startswith("_") and not part.endswith("__") for part in parts)
                own = parts and parts[0] == Path(file).parts[0].removesuffix(".py")
                if root == "reszoo" and private and not own:
                    found.append(f"{file}:{node.lineno} imports {name}")
    return found


def test_the_first_line_of_every_module_is_a_statement():
    assert not poor_summaries(PACKAGE)


def test_no_file_name_stands_twice():
    assert not doubled_files(PACKAGE)


def test_no_public_class_name_stands_twice():
    assert not doubled_classes(PACKAGE)


def test_no_module_has_the_name_of_a_builtin_or_of_another_package():
    assert not borrowed_names(PACKAGE)


@pytest.mark.parametrize("word", FIELD)
def test_the_word_of_the_field_is_found(word):
    assert has_word(PACKAGE, word)


def test_packages_keep_their_private_names_to_themselves():
    assert not private_imports(PACKAGE)


@pytest.fixture
def package(tmp_path):
    """Writes files of a package and returns its folder."""

    def write(files: dict[str, str]) -> Path:
        for file, text in files.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text)
        return tmp_path

    return write


def test_a_question_and_a_missing_docstring_would_be_found(package):
    files = {
        "a.py": '"""A statement.\n\nIs it? Yes."""',
        "b.py": '"""Is it one?"""',
        "c.py": '"""Is it? Yes."""',
        "d.py": "",
    }
    assert poor_summaries(package(files)) == ["b.py: Is it one?", "c.py: Is it? Yes.", "d.py: "]


def test_a_doubled_file_or_class_would_be_found(package):
    files = {
        "a/one.py": "class Row: pass\nclass _Job: pass",
        "b/one.py": "class Row: pass\nclass _Job: pass",
        "a/__init__.py": "",
        "b/__init__.py": "",
        "cli/one.py": "",
    }
    assert doubled_files(package(files)) == [["a/one.py", "b/one.py"]]
    assert doubled_classes(package({})) == [["a/one.py:Row", "b/one.py:Row"]]


def test_a_borrowed_name_would_be_found(package):
    files = ["a/list.py", "a/queue.py", "b/yaml.py", "keras/fit.py", "cli/list.py", "c/own.py"]
    assert borrowed_names(package(dict.fromkeys(files, ""))) == [
        *("a/list.py", "a/queue.py", "b/yaml.py", "keras")
    ]


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("class ParamGroups: pass", "param_group", True),
        ("def ema_decay(): pass", "ema", True),
        ("class EMA: pass", "ema", True),
        ("class A:\n    def apply_mixup(self): pass", "mixup", True),
        ("class Net2NetResult: pass", "net2net", True),
        ("def schema(): pass", "ema", False),
        ("class Attachment: pass", "tta", False),
        ("sampler = 1", "sampler", False),
    ],
)
def test_a_missing_word_would_be_found(package, text, word, there):
    assert has_word(package({"a.py": text}), word) == there


def test_a_private_import_would_be_found(package):
    files = {
        "a/x.py": "from reszoo.a.y import _own\nfrom reszoo.b import __version__",
        "b/x.py": "def f():\n    from reszoo.a.y import _theirs",
        "c.py": "import reszoo.a._hidden",
    }
    assert private_imports(package(files)) == [
        "b/x.py:2 imports reszoo.a.y._theirs",
        "c.py:1 imports reszoo.a._hidden",
    ]
