"""WordNet, from the files of its database."""

from __future__ import annotations

import io
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nltk.corpus.reader.wordnet import WordNetCorpusReader

# Where `apt install wordnet-base` has it.
USUAL = Path("/usr/share/wordnet")
N_LEXICOGRAPHERS = 45


@contextmanager
def open_wordnet(folder: Path) -> Iterator[WordNetCorpusReader | None]:
    """Open the database of a folder, `None` where there is none, and close it in the end.

    Parameters
    ----------
    folder
        With `index.noun`, `data.noun`, `noun.exc` and the like.
    """
    if not folder.exists():
        yield None
        return
    from nltk import data
    from nltk.corpus.reader import wordnet

    class Reader(wordnet.WordNetCorpusReader):  # type: ignore[misc]
        def open(self, file: str) -> Any:
            # Names of the files that WordNet was written in: the package of Debian lacks them, and
            # synonyms do not need them, but the reader looks for them.
            if file == "lexnames" and not (folder / file).exists():
                return io.StringIO("".join(f"{i} {i} 0\n" for i in range(N_LEXICOGRAPHERS)))
            return files.enter_context(super().open(file))

        def map_wn(self, version: str = "wordnet") -> None:
            """Map no other version to this one."""

    # NLTK opens what lies in its own folders alone.
    data.path.append(str(folder))
    with ExitStack() as files, warnings.catch_warnings():
        # Of other languages.
        warnings.simplefilter("ignore", UserWarning)
        yield Reader(str(folder), None)
