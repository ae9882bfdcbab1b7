"""Training a model, and making a bundle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._say import say

if TYPE_CHECKING:
    import argparse


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
