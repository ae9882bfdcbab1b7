from __future__ import annotations

from pathlib import Path

import pytest
import scanpy as sc

from scmmgpt_tl import settings
from scmmgpt_tl._settings import Settings


@pytest.fixture
def _verbosity_after():
    before = sc.settings.verbosity
    yield
    sc.settings.verbosity = before


def test_defaults_without_environment():
    bare = Settings({})
    assert (bare.device, bare.dtype, bare.batch_size, bare.progress) == (None, None, None, None)
    assert bare.offline is False
    assert bare.nan == "error"
    assert bare.cache_dir == Path.home() / ".cache" / "scmmgpt_tl"


def test_environment_is_read():
    environ = {
        "SCMM_DEVICE": "cuda:1",
        "SCMM_DTYPE": "bfloat16",
        "SCMM_BATCH_SIZE": "32",
        "SCMM_CACHE_DIR": "~/models",
        "SCMM_OFFLINE": "1",
        "SCMM_PROGRESS": "no",
        "SCMM_NAN": "zero",
    }
    made = Settings(environ)
    assert (made.device, made.dtype, made.batch_size) == ("cuda:1", "bfloat16", 32)
    assert made.cache_dir == Path.home() / "models"
    assert made.offline is True
    assert made.progress is False
    assert made.nan == "zero"


@pytest.mark.parametrize(
    ("environ", "offline"),
    [
        ({"HF_HUB_OFFLINE": "1"}, True),
        ({"HF_HUB_OFFLINE": "YES"}, True),
        ({"HF_HUB_OFFLINE": "0"}, False),
        ({"HF_HUB_OFFLINE": "1", "SCMM_OFFLINE": "0"}, False),
    ],
)
def test_offline_follows_the_hub_unless_told_otherwise(environ, offline):
    assert Settings(environ).offline is offline


def test_cache_follows_xdg(tmp_path):
    assert Settings({"XDG_CACHE_HOME": str(tmp_path)}).cache_dir == tmp_path / "scmmgpt_tl"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("device", "gpu", "`device` must be None or like 'cpu'.*not 'gpu'"),
        ("dtype", "int8", "`dtype` must be None or one of .*not 'int8'"),
        ("batch_size", 0, "`batch_size` must be None or a positive whole number, not 0"),
        ("batch_size", 2.5, "positive whole number, not 2.5"),
        ("batch_size", True, "positive whole number, not True"),
        ("offline", "maybe", "must be True or False.*not 'maybe'"),
        ("progress", "2", "must be True or False.*not '2'"),
        ("nan", "drop", "`nan` must be 'error' or 'zero', not 'drop'"),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(name, value, message):
    made = Settings({})
    before = getattr(made, name)
    with pytest.raises(ValueError, match=message):
        setattr(made, name, value)
    assert getattr(made, name) == before


def test_unknown_setting_is_refused():
    with pytest.raises(
        AttributeError, match=r"no setting 'devise'. The settings are device, dtype"
    ):
        Settings({}).devise = "cpu"


def test_override_ends_with_the_block():
    before = repr(settings)
    with settings.override(device="cpu", batch_size=7) as inside:
        assert inside is settings
        assert (settings.device, settings.batch_size) == ("cpu", 7)
    assert repr(settings) == before


def test_override_ends_when_the_block_fails():
    before = repr(settings)
    with pytest.raises(KeyError), settings.override(device="cpu"):
        raise KeyError
    assert repr(settings) == before


def test_override_with_a_wrong_value_changes_nothing():
    before = repr(settings)
    with (
        pytest.raises(ValueError, match="`dtype` must be"),
        settings.override(device="cpu", dtype="no"),
    ):
        pass
    assert repr(settings) == before


@pytest.mark.parametrize(
    ("verbosity", "tty", "shown"),
    [(0, True, False), (1, True, False), (2, True, True), (3, False, False)],
)
@pytest.mark.usefixtures("_verbosity_after")
def test_progress_follows_scanpy_on_a_terminal(monkeypatch, verbosity, tty, shown):
    monkeypatch.setattr("sys.stderr.isatty", lambda: tty, raising=False)
    sc.settings.verbosity = verbosity
    assert Settings({}).show_progress is shown


def test_progress_can_be_forced():
    assert Settings({"SCMM_PROGRESS": "1"}).show_progress is True
