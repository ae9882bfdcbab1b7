"""Files larger than memory: read in parts, run in shards, joined on disk."""
