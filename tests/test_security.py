"""No line of the package can run what came with a file: no pickle, no shell, no remote code."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1] / "src" / "scmmgpt_tl"
FILES = sorted(ROOT.rglob("*.py"))

MODULES = {
    "cPickle",
    "cloudpickle",
    "ctypes",
    "dill",
    "joblib",
    "marshal",
    "pickle",
    "runpy",
    "shelve",
}
# It reads dictionaries of texts and numbers, and refuses all else: see its tests.
PLAIN_PICKLE = ROOT / "model" / "plain_pickle.py"
# Members of an archive are read one by one, never written where their names say.
UNPACKS = {"extract", "extractall", "unpack_archive"}
CALLS = {
    "__import__": "builtin",
    "compile": "builtin",
    "eval": "builtin",
    "exec": "builtin",
    "os.popen": "shell",
    "os.system": "shell",
    "pd.read_pickle": "pickle",
    "read_pickle": "pickle",
    "subprocess.getoutput": "shell",
    "subprocess.getstatusoutput": "shell",
    "tempfile.mktemp": "a name that another may take first",
    "torch.hub.load": "remote code",
    "torch.jit.load": "code in a file",
    "yaml.load": "pickle",
    "yaml.unsafe_load": "pickle",
}


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = {name.name.partition(".")[0] for name in names} & MODULES
            case ast.ImportFrom(module=str(module), names=names):
                found = {module.partition(".")[0]} & MODULES
                # Under a name of its own a call would not be seen below.
                told = {f"{module}.{name.name}" for name in names}
                found |= told & (CALLS.keys() | {"torch.load"})
            case ast.Call():
                found = set(_in_call(node))
            case _:
                continue
        yield from ((node.lineno, fault) for fault in sorted(found))


def _in_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    options = {option.arg: ast.unparse(option.value) for option in call.keywords}
    if name in CALLS:
        yield name
    if name.rpartition(".")[2] in UNPACKS:
        yield name
    if name == "torch.load" and options.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    for option in ("trust_remote_code", "allow_pickle", "shell"):
        if options.get(option, "False") != "False":
            yield f"{option}={options[option]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_source_has_no_unsafe_call(path):
    found = [fault for _, fault in faults(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == (["pickle"] if path == PLAIN_PICKLE else [])


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import os, dill.source",
        "os.system('ls')",
        "subprocess.run(command, shell=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "np.load(path, allow_pickle=flag)",
        "eval(text)",
        "pd.read_pickle(path)",
        "archive.extractall(folder)",
        "archive.extract(name, folder)",
        "shutil.unpack_archive(path)",
        "from torch import load",
        "from os import system",
        "torch.jit.load(path)",
        "from runpy import run_path",
        "__import__(name)",
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert len(list(faults(ast.parse(line)))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "re.compile('a')",
        "model.eval()",
        "subprocess.run(command)",
        "AutoModel.from_pretrained(name, trust_remote_code=False)",
        "from safetensors.torch import load_file",
        "from torch import nn",
        "archive.read(name)",
    ],
)
def test_the_search_lets_safe_lines_pass(line):
    assert list(faults(ast.parse(line))) == []
