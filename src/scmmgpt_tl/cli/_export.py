"""Writing the network of cells for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ._options import add_loudness, new
from ._say import say

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm export`."""
    parser = new(
        commands,
        "export",
        export,
        text="write the network that reads cells as ONNX or OpenVINO, for other programs",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help='"default", or name or folder of a model or published encoder',
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="folder to write")
    # Those of `scmmgpt_tl.model.export`, which would bring torch along.
    parser.add_argument(
        "--format", choices=("onnx", "openvino"), default="onnx", help="(default: %(default)s)"
    )
    add_loudness(parser)


def export(args: argparse.Namespace) -> int:
    """Export a model."""
    import scmmgpt_tl as scmm

    model = scmm.load_model(args.model, device="cpu")
    model.export(args.output, format=args.format)
    if not args.quiet:
        say(f"wrote {model.name} {model.revision} ({model.sha256[:12]}) to {args.output}")
    return 0
