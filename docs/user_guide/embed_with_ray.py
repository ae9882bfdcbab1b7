"""Embed a file by the workers of a Ray cluster.

`python embed_with_ray.py cells.h5ad X_scmm.npy --workers 4 --gpus 1`
"""

import argparse

import anndata as ad
import numpy as np
import ray

import scmmgpt_tl as scmm


class Embed:
    """A worker: loads the model once, and embeds the rows that it is told."""

    def __init__(self, path, model):
        self.path = path
        self.model = scmm.load_model(model)

    def __call__(self, rows):
        start, stop = int(rows["start"][0]), int(rows["stop"][0])
        cells = ad.read_h5ad(self.path, backed="r")[start:stop].to_memory()
        scmm.tl.embed(cells, model=self.model)
        return {"start": rows["start"], "vectors": cells.obsm["X_scmm"][None]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="on a file system that all workers see")
    parser.add_argument("out", help=".npy file of the vectors, (cells, dimensions)")
    parser.add_argument("--model", default="default")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gpus", type=float, default=0, help="of each worker")
    parser.add_argument("--rows", type=int, default=4096, help="of a task")
    given = parser.parse_args()

    n_obs = ad.read_h5ad(given.path, backed="r").n_obs
    starts = range(0, n_obs, given.rows)
    rows = [{"start": start, "stop": min(start + given.rows, n_obs)} for start in starts]
    # A worker that dies is started again, and its rows are done again. Leave a CPU free: where
    # workers take them all, Ray Data waits for ever for one that reads.
    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Embed,
        fn_constructor_args=(given.path, given.model),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=given.workers),
        num_gpus=given.gpus,
    )
    parts = sorted(done.take_all(), key=lambda part: part["start"])
    np.save(given.out, np.concatenate([part["vectors"] for part in parts]))


if __name__ == "__main__":
    main()
