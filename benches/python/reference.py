"""The PyTorch side of `cargo bench --bench reference`: JSON lines in, JSON lines out, one at a time."""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/python"))
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
import transformers  # noqa: E402

from reference import EOT, Reference  # noqa: E402


def main():
    folder, max_tokens = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = Reference(folder, attention="sdpa")
    say = lambda **row: print(json.dumps(row), flush=True)
    say(torch=torch.__version__, transformers=transformers.__version__, threads=torch.get_num_threads(),
        cpu=torch.backends.cpu.get_cpu_capability())
    for line in sys.stdin:
        ask = json.loads(line)
        start = time.perf_counter()
        if ask["what"] == "call":
            rewards, critiques = model.predict_reward([ask["prompt"]], [ask["answer"]], max_tokens=max_tokens)
            say(seconds=time.perf_counter() - start, reward=rewards[0], critique=critiques[0])
        else:
            with torch.inference_mode():
                text = model.format(ask["prompt"], ask["answer"]) + ask["critique"] + EOT
                reward = model.head(model.last_hidden(model.tokenize([text]))[:, -1]).item()
            say(seconds=time.perf_counter() - start, reward=reward)


if __name__ == "__main__":
    main()
