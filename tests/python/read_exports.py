"""Reads exported labels with the loaders of `datasets` and TRL; prints one JSON object.

Usage: read_exports.py FOLDER   (cloud.jsonl, trl.jsonl, trl-chat.jsonl, rewardbench.jsonl, the same as .parquet, argilla.jsonl)
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import datasets
import trl
from trl.data_utils import is_conversational


def load(path):
    kind = "parquet" if path.suffix == ".parquet" else "json"
    cache = str(path.parent / "cache")
    return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=cache)


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [chr(c) for c in range(32, 127)] + ["\n", "<unk>", "<eos>", "<pad>"]
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="<eos>", pad_token="<pad>")
    made.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    return made


def train(rows, folder):
    """Two steps of TRL's reward trainer on the rows as they are."""
    from transformers import LlamaConfig, LlamaForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    words = tokenizer()
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, num_labels=1, pad_token_id=words.pad_token_id,
    )
    options = RewardConfig(
        output_dir=str(folder), max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True, bf16=False,
        max_length=None, disable_tqdm=True, save_strategy="no", logging_steps=1,
    )
    trainer = RewardTrainer(
        model=LlamaForSequenceClassification(config), args=options, train_dataset=rows, processing_class=words
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main():
    folder = Path(sys.argv[1])
    told = {"datasets": datasets.__version__, "trl": trl.__version__, "rows": {}, "losses": {}, "conversational": {}}
    for path in sorted(folder.glob("*.jsonl")) + sorted(folder.glob("*.parquet")):
        rows = load(path)
        told["rows"][path.name] = len(rows)
        assert {"prompt", "chosen", "rejected"} <= set(rows.column_names), (path, rows.column_names)
    for name in ["cloud", "trl", "trl-chat", "rewardbench"]:
        text, columns = load(folder / f"{name}.jsonl"), load(folder / f"{name}.parquet")
        assert text.to_list() == columns.to_list(), name
        assert text.to_list() == [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()], name
    for name in ["trl", "trl-chat"]:
        rows = load(folder / f"{name}.jsonl")
        told["conversational"][name] = is_conversational(rows[0])
        told["losses"][name] = train(rows, folder / "run")
    json.dump(told, sys.stdout)


main()
