"""What every public function keeps to."""

from __future__ import annotations

import inspect
import re
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
NAMESPACES = ("datasets", "get", "ontology", "pl", "pp", "tl")
MODULES: dict[str, ModuleType] = {name: getattr(scmm, name) for name in NAMESPACES}

FUNCTIONS = {
    f"{space}.{name}": getattr(module, name)
    for space, module in MODULES.items()
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
} | {"load_model": scmm.load_model}
# It makes cells and takes none.
MAKERS = {"tl.generate"}
# It reads cells, and what it says is of other things than these: it gives back an object of its own.
PREDICTORS = {"tl.perturb"}
TOOLS = {
    name: f
    for name, f in FUNCTIONS.items()
    if name.startswith("tl.") and name not in MAKERS | PREDICTORS
}
PLOTS = {name: f for name, f in FUNCTIONS.items() if name.startswith("pl.")}
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
every_tool = pytest.mark.parametrize("function", TOOLS.values(), ids=TOOLS.keys())
every_plot = pytest.mark.parametrize("function", PLOTS.values(), ids=PLOTS.keys())


def parameters(function) -> list[Parameter]:
    return list(inspect.signature(function).parameters.values())


def documented(page: str) -> list[str]:
    """Names that the autosummary of an API page lists."""
    text = (ROOT / "docs" / "api" / f"{page}.md").read_text(encoding="utf-8")
    listed = re.search(r"autosummary::\n(?:   :.*\n)+\n((?:   \S+\n)+)", text)
    assert listed, f"docs/api/{page}.md has no autosummary"
    return listed[1].split()


def section(function, name: str) -> str:
    """Text of one section of a numpy docstring, empty where there is none."""
    doc = inspect.getdoc(function) or ""
    found = re.search(rf"^{name}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


@pytest.mark.parametrize("module", [scmm, *MODULES.values()], ids=["scmm", *MODULES])
def test_all_is_sorted_and_exists(module):
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("space", NAMESPACES)
def test_api_page_lists_exactly_what_is_public(space):
    assert documented(space) == [f"{space}.{name}" for name in MODULES[space].__all__]


def test_every_public_name_is_on_an_api_page():
    elsewhere = [name for name in scmm.__all__ if name not in NAMESPACES]
    assert documented("model") == elsewhere


@every_function
def test_at_most_three_parameters_are_positional(function):
    positional = [p.name for p in parameters(function) if p.kind in POSITIONAL]
    assert len(positional) <= 3


@every_function
def test_switches_are_given_by_name(function):
    switches = [p for p in parameters(function) if isinstance(p.default, bool)]
    assert all(p.kind is Parameter.KEYWORD_ONLY for p in switches)


@every_function
def test_signature_is_fully_annotated(function):
    signature = inspect.signature(function)
    missing = [p.name for p in signature.parameters.values() if p.annotation is Parameter.empty]
    assert not missing
    assert signature.return_annotation is not inspect.Signature.empty


@every_function
def test_docstring_covers_every_parameter_without_types(function):
    entries = re.findall(r"^(\S.*)$", section(function, "Parameters"), re.MULTILINE)
    assert not [entry for entry in entries if " : " in entry], "types belong in the signature"
    names = [name.strip() for entry in entries for name in entry.split(",")]
    assert names == [p.name for p in parameters(function)]


@every_function
def test_docstring_says_what_comes_back_and_has_an_example(function):
    assert section(function, "Returns")
    assert ">>> " in section(function, "Examples")


@every_function
def test_docstring_placeholders_are_filled(function):
    assert not re.search(r"^\s*\{\w+\}\s*$", function.__doc__, re.MULTILINE)


@every_tool
def test_tool_takes_data_first_and_copies_on_request(function):
    first, *rest = parameters(function)
    assert first.name == "adata"
    copy = next(p for p in rest if p.name == "copy")
    assert copy.kind is Parameter.KEYWORD_ONLY
    assert copy.default is False
    returned = inspect.signature(function).return_annotation
    assert returned in {"AnnData | None", "AnnData | MuData | None"}


@every_tool
def test_tool_speaks_the_common_grammar(function):
    names = {p.name for p in parameters(function)}
    assert names >= {"key_added", "layer", "model", "mod"}
    # Proteins are asked about an annotation, and no genes are read.
    assert ({"counts", "gene_symbols", "species"} <= names) == (function.__name__ != "proteins")
    # What starts from an annotation, splits spots or counts genes sends no cell through the network.
    without = {"deconvolve", "proteins", "refine", "score_gene_sets"}
    assert ("batch_size" in names) == (function.__name__ not in without)


@pytest.mark.parametrize("name", MAKERS)
def test_maker_takes_no_cells(name):
    given = {p.name: p for p in parameters(FUNCTIONS[name])}
    assert given.keys() >= {"model", "rng", "key_added"}
    assert not given.keys() & {"adata", "layer", "counts", "mod", "copy"}
    assert not any("AnnData" in str(p.annotation) for p in given.values())
    assert inspect.signature(FUNCTIONS[name]).return_annotation == "AnnData"


@pytest.mark.parametrize("name", PREDICTORS)
def test_predictor_reads_cells_and_returns_an_object_of_its_own(name):
    given = {p.name: p for p in parameters(FUNCTIONS[name])}
    assert next(iter(given)) == "adata"
    assert "copy" not in given
    common = {"key_added", "layer", "counts", "gene_symbols", "model", "mod", "batch_size"}
    assert given.keys() >= common
    assert inspect.signature(FUNCTIONS[name]).return_annotation == "AnnData"


@every_plot
def test_plot_takes_show_and_return_fig_but_not_save(function):
    by_name = {p.name: p for p in parameters(function)}
    assert next(iter(by_name)) == "adata"
    assert "save" not in by_name
    assert by_name["show"].default is None
    assert by_name["return_fig"].default is None


def sources(*folders: str) -> list[Path]:
    package = Path(scmm.__file__).parent
    return sorted(path for folder in folders for path in package.glob(folder))


@pytest.mark.parametrize(
    ("folders", "closed_to"),
    [
        pytest.param(["model/**/*.py"], "anndata|scanpy|scmmgpt_tl._settings|mudata", id="model"),
        pytest.param(["pp/**/*.py"], "torch|transformers", id="pp"),
        pytest.param(["pl/**/*.py"], "torch|scmmgpt_tl.model|scmmgpt_tl._results", id="pl"),
        pytest.param(["[!t]*/**/*.py", "tl/*.py", "*.py"], "scmmgpt_tl.train", id="train"),
    ],
)
def test_doors_stay_shut(folders, closed_to):
    imports = re.compile(rf"^\s*(?:from|import)\s+(?:{closed_to})\b.*$", re.MULTILINE)
    opened = {
        str(path): found
        for path in sources(*folders)
        if path.parent.name != "cli" and (found := imports.findall(_runtime_code(path)))
    }
    assert not opened


def test_no_encoder_knows_another():
    folder = Path(scmm.__file__).parent / "model" / "encoders"
    names = {path.stem for path in folder.iterdir() if path.stem not in {"__init__", "published"}}
    known = {
        (path.relative_to(folder).parts[0], other)
        for path in folder.glob("*/**/*.py")
        for other in names - {path.relative_to(folder).parts[0]}
        if re.search(rf"\b(?:encoders|\.)\.?{other}\b", _code(path))
    }
    assert {"scgpt", "geneformer"} <= names
    assert not known


def _runtime_code(path: Path) -> str:
    """Source without what only the type checker reads."""
    return re.sub(
        r"^if TYPE_CHECKING:\n(?:(?:    .*)?\n)+",
        "",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )


def test_only_results_module_writes_to_anndata():
    assignment = re.compile(
        r"^\s*\w*data\w*\.(?:obs|obsm|uns|layers|X)(?:\[[^\]]+\])+\s*=[^=]", re.MULTILINE
    )
    package = Path(scmm.__file__).parent
    tools = sources("tl/*.py", "pl/*.py", "get/*.py", "pp/**/*.py", "_input.py", "_matrix.py")
    writers = {
        str(path.relative_to(package)): found
        for path in tools
        if (found := assignment.findall(_code(path)))
    }
    assert not writers


def _code(path: Path) -> str:
    """Source without docstrings, whose examples may write what they like."""
    return re.sub(r'"""(?:.|\n)*?"""', "", path.read_text(encoding="utf-8"))
