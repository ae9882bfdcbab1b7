"""Files are read by suffix and written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmmgpt_tl import _files

SUFFIXES = ("h5ad", "zarr")


@pytest.fixture
def adata() -> anndata.AnnData:
    counts = np.random.default_rng(0).poisson(1.0, (30, 12)).astype(np.float32)
    obs = pd.DataFrame(
        {"batch": pd.Categorical(["a", "b"] * 15)}, index=[f"c{i}" for i in range(30)]
    )
    var = pd.DataFrame(index=[f"g{i}" for i in range(12)])
    return anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(adata, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    _files.write(adata, path)
    back = _files.read(path)
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    pd.testing.assert_frame_equal(back.obs, adata.obs)
    assert leftovers(tmp_path) == []


def test_round_trip_of_mudata(adata, tmp_path):
    pytest.importorskip("mudata")
    with _files._mudata() as mudata:
        data = mudata.MuData({"rna": adata})
    _files.write(data, tmp_path / "cells.h5mu")
    back = _files.read(tmp_path / "cells.h5mu")
    assert _files.is_mudata(back)
    assert list(back.obs.columns) == []
    np.testing.assert_array_equal(back.mod["rna"].X.toarray(), adata.X.toarray())
    with pytest.raises(ValueError, match=r"Use .h5mu for MuData only"):
        _files.write(data, tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match=r"Use .h5mu for MuData only"):
        _files.write(adata, tmp_path / "other.h5mu")


def test_backed_object_is_written_and_keeps_its_own_file(adata, tmp_path):
    source, target = tmp_path / "in.h5ad", tmp_path / "out.h5ad"
    _files.write(adata, source)
    backed = _files.read(source, backed=True)
    backed.obs["new"] = np.arange(30)
    _files.write(backed, target)
    assert Path(backed.filename) == source
    assert "new" not in _files.read(source).obs
    back = _files.read(target)
    np.testing.assert_array_equal(back.obs["new"], np.arange(30))
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    backed.file.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_existing_file_is_kept_unless_told(adata, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    _files.write(adata, path)
    with pytest.raises(FileExistsError, match="exists already"):
        _files.write(adata, path)
    _files.write(adata[:10].copy(), path, overwrite=True)
    assert _files.read(path).n_obs == 10
    assert leftovers(tmp_path) == []


def test_input_is_refused_as_output(adata, tmp_path):
    path, link = tmp_path / "cells.h5ad", tmp_path / "link.h5ad"
    _files.write(adata, path)
    link.symlink_to(path)
    for output in (path, link, tmp_path / "." / "cells.h5ad"):
        with pytest.raises(FileExistsError, match="is the input file"):
            _files.check_target(output, source=path)
    _files.check_target(path, source=path, overwrite=True)


def test_link_goes_on_pointing_at_the_file_that_is_replaced(adata, tmp_path):
    path, link = tmp_path / "cells.h5ad", tmp_path / "link.h5ad"
    _files.write(adata, path)
    path.chmod(0o640)
    link.symlink_to(path)
    _files.write(adata[:5].copy(), link, overwrite=True)
    assert link.is_symlink()
    assert _files.read(path).n_obs == 5
    assert path.stat().st_mode & 0o777 == 0o640


def test_output_inside_the_input_store(adata, tmp_path):
    store = tmp_path / "cells.zarr"
    _files.write(adata, store)
    with pytest.raises(ValueError, match="lies inside the input"):
        _files.check_target(store / "out.h5ad", source=store)


def test_folder_that_is_no_store_is_never_replaced(adata, tmp_path):
    folder = tmp_path / "thesis.zarr"
    folder.mkdir()
    (folder / "chapter1.txt").write_text("years of work")
    with pytest.raises(ValueError, match="no zarr store"):
        _files.write(adata, folder, overwrite=True)
    assert (folder / "chapter1.txt").read_text() == "years of work"


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        _files.check_target(tmp_path / "nowhere" / "out.h5ad")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        _files.read(tmp_path / "in.h5ad")


@pytest.mark.parametrize("name", ["cells.loom", "cells", "cells.h5"])
def test_unknown_suffix(adata, tmp_path, name):
    with pytest.raises(ValueError, match=r"Use .h5ad, .zarr or .h5mu"):
        _files.read(tmp_path / name)
    with pytest.raises(ValueError, match=r"Use .h5ad, .zarr or .h5mu"):
        _files.write(adata, tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"not an HDF5 file" * 64], ids=["empty", "text"])
def test_damaged_file(tmp_path, content):
    path = tmp_path / "cells.h5ad"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Cannot read .* as h5ad"):
        _files.read(path)


def test_only_h5ad_is_read_backed(adata, tmp_path):
    _files.write(adata, tmp_path / "cells.zarr")
    with pytest.raises(ValueError, match=r"Only .h5ad files can be read backed"):
        _files.read(tmp_path / "cells.zarr", backed=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failed_write_leaves_the_old_file(adata, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    _files.write(adata, path)
    adata.uns["bad"] = {1, 2}
    with pytest.raises(Exception, match=r"set|write"):
        _files.write(adata, path, overwrite=True)
    assert "bad" not in _files.read(path).uns
    assert leftovers(tmp_path) == []


def test_store_is_put_back_when_the_new_one_cannot_take_its_place(adata, tmp_path):
    path = tmp_path / "cells.zarr"
    _files.write(adata, path)
    with pytest.raises(FileNotFoundError), _files.replacing(path) as temporary:
        temporary.parent.joinpath("elsewhere").mkdir()
    assert _files.read(path).n_obs == 30
    with pytest.raises(FileNotFoundError):
        _files._swap(tmp_path / "missing.zarr", path, aside=tmp_path / "aside")
    assert _files.read(path).n_obs == 30


def test_table(tmp_path):
    frame = pd.DataFrame({"label": ["T cell", "B cell"]}, index=["c0", "c1"])
    _files.write_csv(frame, tmp_path / "labels.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "labels.csv", index_col=0), frame)
    with pytest.raises(FileExistsError, match="exists already"):
        _files.write_csv(frame, tmp_path / "labels.csv")


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from scmmgpt_tl import _files

    path = Path(sys.argv[1])
    data = _files.read(path)
    data.obs["half"] = 1.0
    written = _files._write_as

    def killed_half_way(kind, data, temporary):
        written(kind, data, temporary)
        print(temporary, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    _files._write_as = killed_half_way
    _files.write(data, path, overwrite=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_killed_while_writing(adata, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    _files.write(adata, path)
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert Path(run.stdout.strip()).exists()
    back = _files.read(path)
    assert "half" not in back.obs
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
