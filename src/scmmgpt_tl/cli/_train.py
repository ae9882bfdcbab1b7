"""Training a model, and making a bundle of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ._options import add_loudness, new
from ._say import say

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add_pretrain(commands: Commands) -> None:
    """Add `scmm pretrain`."""
    parser = new(commands, "pretrain", pretrain, text="train a model of your own")
    parser.add_argument(
        "config", type=Path, metavar="CONFIG.yaml", help="what to learn from, and how"
    )
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="folder for weights and loss curves; a run that was stopped there goes on",
    )
    group = parser.add_argument_group("hardware")
    group.add_argument(
        "--accelerator", default="auto", help='such as "cpu" or "gpu" (default: the best there is)'
    )
    group.add_argument("--devices", default="auto", help="how many (default: all)")
    group.add_argument(
        "--strategy",
        choices=("auto", "ddp", "fsdp"),
        default="auto",
        help="how several devices share the work (default: %(default)s)",
    )
    add_loudness(parser)


def add_publish(commands: Commands) -> None:
    """Add `scmm publish`."""
    parser = new(
        commands, "publish", publish, text="calibrate a trained model and write its bundle"
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder to write")
    parser.add_argument("--name", default="scmmgpt-compact", help="(default: %(default)s)")
    parser.add_argument("--revision", default="1", help="(default: %(default)s)")
    add_loudness(parser)


def pretrain(args: argparse.Namespace) -> int:
    """Run both stages of training, or what is left of them."""
    from scmmgpt_tl.train.config import Hardware, RunConfig
    from scmmgpt_tl.train.run import pretrain

    hardware = Hardware(
        accelerator=args.accelerator,
        devices=args.devices,
        strategy=args.strategy,
        progress=not args.quiet,
    )
    pretrain(RunConfig.read(args.config), args.run, hardware=hardware)
    if not args.quiet:
        say(f"trained in {args.run}; `scmm publish {args.run} BUNDLE` makes a model of it")
    return 0


def publish(args: argparse.Namespace) -> int:
    """Calibrate a trained model and write its bundle."""
    from scmmgpt_tl.train.run import publish_run

    sha256 = publish_run(args.run, args.bundle, name=args.name, revision=args.revision)
    if not args.quiet:
        say(f"wrote {args.name} {args.revision} ({sha256[:12]}) to {args.bundle}")
    return 0
