"""The network of cells for other programs: as ONNX or OpenVINO, with what its arrays mean."""

from __future__ import annotations

from .graphs import graph_of
from .write import FORMATS, Format, export

__all__ = ["FORMATS", "Format", "export", "graph_of"]
