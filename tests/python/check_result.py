"""Loads a run's `result/` as the reference does and reads its rewards.

    python check_result.py RESULT < sequences.json > rewards.json

sequences: a list of token id lists; rewards: the head at every position of each. The folder must load by itself: base
configuration inside, weights that say they are PyTorch's, every tensor of the model there and no other.
"""

import json
import os
import sys

import torch
from reference import Reference
from safetensors import safe_open

folder = sys.argv[1]
with safe_open(os.path.join(folder, "model.safetensors"), "pt") as file:
    assert (file.metadata() or {}).get("format") == "pt", "transformers refuses a file without this"
os.chdir("/")
reference = Reference(folder)
with torch.inference_mode():
    print(json.dumps([reference.rewards(ids) for ids in json.load(sys.stdin)]))
