from __future__ import annotations

import inspect

import pytest

from scmmgpt_tl._docs import SHARED, doc_params


@pytest.mark.parametrize("name", SHARED)
def test_shared_texts_are_parameter_entries(name):
    first, *rest = SHARED[name].splitlines()
    assert first == name
    assert rest
    assert all(line.startswith("    ") and len(line) < 100 for line in rest)


def test_placeholders_take_their_indentation():
    @doc_params(own="own\n    Of this function.")
    def function() -> None:
        """Do it.

        Parameters
        ----------
        {layer}
        {own}
        """

    doc = inspect.getdoc(function)
    assert f"----------\n{SHARED['layer']}\nown\n    Of this function." in doc


def test_braces_elsewhere_stay():
    @doc_params()
    def function() -> None:
        """Take `{"rna": 1}` and {layer} in a line."""

    assert function.__doc__ == 'Take `{"rna": 1}` and {layer} in a line.'


def test_unknown_placeholder_is_refused():
    with pytest.raises(KeyError, match="nothing"):

        @doc_params()
        def function() -> None:
            """Do it.

            {nothing}
            """
