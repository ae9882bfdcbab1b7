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

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# It reads dictionaries of texts and numbers, and refuses all else: see its tests.
PLAIN_PICKLE = ROOT / "model" / "plain_pickle.py"
CALLS = {
    "compile": "builtin",
    "eval": "builtin",
    "exec": "builtin",
    "os.popen": "shell",
    "os.system": "shell",
    "pd.read_pickle": "pickle",
    "read_pickle": "pickle",
    "subprocess.getoutput": "shell",
    "subprocess.getstatusoutput": "shell",
    "yaml.load": "pickle",
    "yaml.unsafe_load": "pickle",
}


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = {name.name.partition(".")[0] for name in names} & MODULES
            case ast.ImportFrom(module=str(module)):
                found = {module.partition(".")[0]} & MODULES
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
    ],
)
def test_the_search_lets_safe_lines_pass(line):
    assert list(faults(ast.parse(line))) == []
