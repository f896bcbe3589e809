"""Examples are true: what needs no TensorFlow runs, and the others name only what exists."""

from __future__ import annotations

import ast
import builtins
import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import reszoo
from conftest import ON_TENSORFLOW
from tests.test_imports_go_down import BELOW_TENSORFLOW, FLOORS, module_of, parts_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(reszoo.__file__).parent

ZOO = {
    "search": {path.stem for path in ROOT.glob("zoo_configs/searches/*.yaml")},
    "recipe": {path.stem for path in ROOT.glob("zoo_configs/recipes/*.yaml")},
    "target": {path.stem for path in ROOT.glob("export/targets/*.yaml")},
    "architecture": {path.stem for path in ROOT.glob("zoo_configs/*/*.yaml")},
}
ZOO["architecture"] -= ZOO["search"] | ZOO["recipe"]

FIRST_ARGUMENT = {
    "load": "architecture",
    "train": "architecture",
    "load_recipe": "recipe",
    "load_search": "search",
    "load_target": "target",
    "tune": "search",
}
"""What the text means with which a function is called first."""

KEYWORDS = {"recipe": "recipe", "target": "target"}

COMMANDS = {
    "build": "architecture",
    "show": "architecture",
    "train": "architecture",
    "tune": "search",
}
"""What a command's first word names; an option's value is none."""

OPTIONS = {"--recipe": "recipe", "--target": "target", "--augment": "recipe"}

NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""Neither a placeholder, such as RUN, nor a path, nor a file."""


@dataclass(frozen=True)
class Code:
    """Text in which names count, and where it stands."""

    where: str
    text: str
    is_python: bool = False


def pages() -> list[Path]:
    """The pages for users; what was once is told in CHANGELOG.md by its name of then."""
    return [
        *sorted(page for page in ROOT.glob("*.md") if page.stem != "CHANGELOG"),
        *sorted(ROOT.glob("docs/**/*.md")),
        ROOT / "benchmarks" / "README.md",
    ]


def code_of_page(where: str, text: str) -> list[Code]:
    """Fenced and indented blocks, and what stands between backticks."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    blocks = [
        Code(where, block[2], is_python=block[1] == "python") for block in fence.finditer(text)
    ]
    rest = fence.sub("", text)
    indented = "\n".join(line for line in rest.splitlines() if line.startswith("    "))
    return [*blocks, Code(where, indented), *(Code(where, span) for span in _spans(rest))]


def code_of_docstring(where: str, text: str) -> list[Code]:
    """Examples after `>>>`, indented blocks, and what stands between backticks."""
    indented = "\n".join(
        line
        for line in text.splitlines()
        if line.startswith("    ") and not line.lstrip().startswith((">>>", "..."))
    )
    return [
        *(Code(where, source, is_python=True) for source in examples(text)),
        Code(where, indented),
        *(Code(where, span) for span in _spans(text)),
    ]


def _spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def examples(docstring: str) -> list[str]:
    """The statements after `>>>`."""
    return [example.source for example in doctest.DocTestParser().get_examples(docstring)]


@cache
def docstrings(package: Path) -> dict[str, dict[str, str]]:
    """Docstrings by file and name."""
    kinds = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {
        str(path.relative_to(package)): {
            getattr(node, "name", ""): docstring
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, kinds) and (docstring := ast.get_docstring(node))
        }
        for path in sorted(package.rglob("*.py"))
    }


def all_code() -> list[Code]:
    of_pages = [
        code
        for page in pages()
        for code in code_of_page(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    ]
    return of_pages + [
        code
        for file, texts in docstrings(PACKAGE).items()
        for name, text in texts.items()
        for code in code_of_docstring(f"{file}:{name}", text)
    ]


def zoo_names(code: Code) -> Iterator[tuple[str, str]]:
    """Kind and name of whatever is meant to be in the zoo."""
    for function, name in re.findall(r'(?<![\w.])(?:reszoo\.)?(\w+)\("([^"]*)"', code.text):
        if function in FIRST_ARGUMENT:
            yield FIRST_ARGUMENT[function], name
    for keyword, name in re.findall(r'\b(\w+)="([^"]*)"', code.text):
        if keyword in KEYWORDS:
            yield KEYWORDS[keyword], name
    for name in re.findall(r'\bexport\([^()"]+, "([^"]*)"', code.text):
        yield "target", name
    for name in re.findall(r'\bexport\("[^"]*", "([^"]*)"', code.text):
        yield "target", name
    if not code.is_python:
        for line in code.text.replace("\\\n", " ").splitlines():
            yield from _names_of_command(line)


def _names_of_command(line: str) -> Iterator[tuple[str, str]]:
    command = re.search(r"(?<![\w./])reszoo (\w+)((?: (?:\\\||[^#|>;&])*)?)", line)
    if command is None:
        return
    words = command[2].split()
    is_recipe = command[1] == "show" and "--recipe" in words
    if words and command[1] in COMMANDS:
        yield "recipe" if is_recipe else COMMANDS[command[1]], words[0]
    for option, value in pairwise(words):
        if option in OPTIONS and not (option == "--recipe" and is_recipe):
            yield OPTIONS[option], value


def unknown_zoo_names(codes: list[Code]) -> list[str]:
    return [
        f"{code.where}: no {kind} {name}"
        for code in codes
        for kind, name in zoo_names(code)
        if NAME.fullmatch(name) and name not in ZOO[kind]
    ]


def unknown_public_names(codes: list[Code]) -> list[str]:
    """`reszoo.NAME` that is neither public nor the path of a module, or of a name in one."""
    return [
        f"{code.where}: reszoo.{name}"
        for code in codes
        for name in re.findall(r"(?<![\w./])reszoo\.(\w+(?:\.\w+)*)", code.text)
        if not _exists(name.split("."))
    ]


def _exists(parts: list[str]) -> bool:
    if parts[0] in (*reszoo.__all__, "__all__"):
        return True
    folder = PACKAGE
    for position, part in enumerate(parts):
        if (folder / part).is_dir():
            folder /= part
        elif (file := folder / f"{part}.py").is_file():
            return position + 1 == len(parts) or parts[position + 1] in global_names(file)
        else:
            return position > 0 and part in global_names(folder / "__init__.py")
    return True


def global_names(file: Path) -> set[str]:
    return bound_names(ast.parse(file.read_text(encoding="utf-8")))


def bound_names(tree: ast.Module) -> set[str]:
    """Names that a module defines, imports or assigns."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            names |= {
                inner.id
                for inner in ast.walk(node)
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
            }
    return names


def wrong_calls(where: str, source: str, known: set[str]) -> list[str]:
    """Calls in an example of functions, or of arguments of public functions, that do not exist.

    Args:
      where: the example.
      source: Python.
      known: names beside Python's, reszoo's public ones and those that the example binds.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"{where}: {error.msg}: {error.text}"]
    known = known | set(dir(builtins)) | set(reszoo.__all__) | bound_names(tree)
    wrong = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func)
        if isinstance(call.func, ast.Name) and function not in known:
            wrong.append(f"{where}: no function {function}")
        name = function.removeprefix("reszoo.")
        if name in reszoo.__all__:
            given = [keyword.arg for keyword in call.keywords if keyword.arg]
            unknown = [argument for argument in given if argument not in parameters(name)]
            wrong += [f"{where}: {function} has no argument {argument}" for argument in unknown]
    return wrong


def parameters(name: str) -> set[str]:
    """The arguments of a public function, read in its file: importing it imports TensorFlow."""
    file = PACKAGE.parent / Path(*reszoo._MODULES[name].split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    [function] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    arguments = function.args
    return {one.arg for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}


def wrong_examples(package: Path) -> list[str]:
    """What is wrong in the docstrings of a package; a docstring's examples are one program."""
    return [
        error
        for file, texts in docstrings(package).items()
        for name, text in texts.items()
        for error in wrong_calls(
            f"{file}:{name}", "".join(examples(text)), global_names(package / file)
        )
    ]


def test_every_name_of_the_zoo_in_an_example_exists():
    assert not unknown_zoo_names(all_code())


def test_every_public_name_in_a_text_exists():
    assert not unknown_public_names(all_code())


def test_every_example_in_a_docstring_compiles_and_calls_what_exists():
    assert not wrong_examples(PACKAGE)


def test_every_example_on_a_page_compiles_and_calls_what_exists():
    of_pages = [code for code in all_code() if code.is_python and code.where.endswith(".md")]
    assert len(of_pages) > 3
    assert not [error for code in of_pages for error in wrong_calls(code.where, code.text, set())]


def light_examples() -> dict[str, int]:
    """The number of docstrings with examples, by module, on the floors without TensorFlow."""
    counts = {
        module_of(PACKAGE / file): sum(bool(examples(text)) for text in texts.values())
        for file, texts in docstrings(PACKAGE).items()
        if parts_of(module_of(PACKAGE / file))[0] in BELOW_TENSORFLOW
    }
    return {module.removesuffix(".__init__"): count for module, count in counts.items() if count}


def test_every_example_that_needs_no_tensorflow_runs_without_it():
    program = (
        "import doctest, importlib, sys\n"
        f"modules = [importlib.import_module(name) for name in {list(light_examples())!r}]\n"
        "for module in modules: print(doctest.testmod(module).failed, module.__name__)\n"
        "print({'keras', 'numpy', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    expected = [*(f"0 {module}" for module in light_examples()), "set()"]
    assert (done.stdout.splitlines(), done.stderr) == (expected, "")


def test_pytest_leaves_out_the_floors_on_tensorflow():
    assert set(ON_TENSORFLOW) == {part for floor in FLOORS for part in floor} - BELOW_TENSORFLOW


@pytest.mark.slow
def test_pytest_runs_the_same_examples():
    """Slow because pytest asks a module for all its names, of which `reszoo` is lazy."""
    words = [sys.executable, "-m", "pytest", "--doctest-modules", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*words, "reszoo"], cwd=ROOT, capture_output=True, text=True)
    assert f"{sum(light_examples().values())} passed in" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ('reszoo.load("resnet20"); reszoo.load("my.yaml"); keras.models.load("a")', []),
        ('reszoo.load("resnet21")', ["no architecture resnet21"]),
        ('load("resnet21")', ["no architecture resnet21"]),
        ('reszoo.train("digits-resnet8", data="digits")', ["no architecture digits-resnet8"]),
        ('train(spec, recipe="short9")', ["no recipe short9"]),
        ('reszoo.tune("digits_tiny2")', ["no search digits_tiny2"]),
        ('reszoo.export(run, target="phone")', ["no target phone"]),
        ('reszoo.export(run, "phone")', ["no target phone"]),
        ('reszoo.export("runs/a-1", "phone")', ["no target phone"]),
        ("reszoo build resnet21 -o x.keras", ["no architecture resnet21"]),
        ("reszoo train NAME\\|FILE --recipe short9", ["no recipe short9"]),
        ("reszoo train --from runs/a-1 --recipe short8  # or short9", []),
        ("reszoo show short8 --recipe", []),
        ("reszoo show resnet20 --recipe", ["no recipe resnet20"]),
        ("reszoo tune digit; reszoo list", ["no search digit"]),
        ("reszoo export RUN --target phone", ["no target phone"]),
        ("reszoo data folder:P --augment rsb_a9", ["no recipe rsb_a9"]),
    ],
)
def test_an_unknown_name_of_the_zoo_would_be_found(text, errors):
    assert unknown_zoo_names([Code("page", text)]) == [f"page: {error}" for error in errors]


def test_code_is_found_in_pages_and_docstrings():
    page = "A `span` here.\n\n```python\nload()\n```\n\n    a block\n"
    assert code_of_page("page", page) == [
        Code("page", "load()\n", is_python=True),
        Code("page", "    a block"),
        Code("page", "span"),
    ]
    docstring = "One `span`.\n\n    >>> load()\n    3\n\n    a block"
    assert code_of_docstring("f", docstring) == [
        Code("f", "load()\n", is_python=True),
        Code("f", "    3\n    a block"),
        Code("f", "span"),
    ]


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("reszoo.load(); reszoo.runs.Run; reszoo.runs.run; reszoo.spec.loader.load", []),
        ("import reszoo.training; reszoo/data; x.reszoo.no; reszoo.__all__", []),
        ("reszoo.trian(x)", ["trian"]),
        ("reszoo.runs.rnu", ["runs.rnu"]),
        ("reszoo.spec.loader.laod", ["spec.loader.laod"]),
    ],
)
def test_an_unknown_public_name_would_be_found(text, unknown):
    expected = [f"page: reszoo.{name}" for name in unknown]
    assert unknown_public_names([Code("page", text)]) == expected


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("load(", "'(' was never closed"),
        ("froze(model)", "no function froze"),
        ("reszoo.load(name, overides=[])", "reszoo.load has no argument overides"),
    ],
)
def test_a_wrong_call_would_be_found(tmp_path, source, error):
    module = f'def freeze():\n    """Freezes.\n\n        >>> {source}\n    """\n'
    (tmp_path / "module.py").write_text(module)
    [found] = wrong_examples(tmp_path)
    assert found.startswith(f"module.py:freeze: {error}")


def test_a_right_example_passes(tmp_path):
    module = (
        'def freeze():\n    """Freezes.\n\n        >>> out = freeze()\n        >>> out()\n    """\n'
    )
    (tmp_path / "module.py").write_text(module)
    assert not wrong_examples(tmp_path)
