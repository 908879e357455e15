"""CLoud models under PEFT: makes tests/fixtures/expected/lora.json, and loads adapters that outloud wrote.

    python peft_cloud.py golden > tests/fixtures/expected/lora.json
    python peft_cloud.py load ADAPTER < sequences.json      rewards of each position, logits of each last one
    python peft_cloud.py save BASE ADAPTER                  an adapter made by PEFT itself
    python peft_cloud.py merge ADAPTER < sequences.json     as load, after merge_and_unload

Needs torch, transformers, safetensors and peft (0.15.2 made the numbers).
"""

import json
import math
import os
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from reference import Reference

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
IGNORED = -100
CASES = {
    "cloud": ("cloud-llama-tiny", "cloud", {"r": 4, "lora_alpha": 8, "target_modules": "all"}),
    "rslora": ("cloud-qwen2-tiny", "cloud", {"r": 9, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"], "use_rslora": True}),
    "csft": ("cloud-gemma3-tiny", "csft", {"r": 2, "lora_alpha": 4, "target_modules": ["o_proj", "down_proj"]}),
    "classic": ("classic-llama-tiny", "classic", {"r": 4, "lora_alpha": 16, "target_modules": ["q_proj", "up_proj"]}),
}
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Head(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.dense = torch.nn.Linear(hidden, hidden)
        self.out_proj = torch.nn.Linear(hidden, 1)

    def forward(self, hidden):
        return self.out_proj(torch.tanh(self.dense(hidden))).squeeze(-1)


class CLoud(torch.nn.Module):
    """The reference's module names: reward_base_model and reward_head."""

    def __init__(self, folder):
        super().__init__()
        reference = Reference(folder)
        self.reward_base_model = reference.base
        self.reward_head = Head(reference.base.config.hidden_size)
        with torch.no_grad():
            for name, part in (("dense", reference.dense), ("out_proj", reference.out_proj)):
                getattr(self.reward_head, name).load_state_dict(part)

    def forward(self, input_ids, attention_mask=None):
        out = self.reward_base_model(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True, use_cache=False)
        return self.reward_head(out.hidden_states[-1]), out.logits


def adapter(model, keys):
    keys = dict(keys)
    if keys["target_modules"] == "all":
        keys["target_modules"] = ALL
    model = get_peft_model(model, LoraConfig(modules_to_save=["reward_head"], **keys))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_" in name:
                module = name.removeprefix("base_model.model.").split(".lora_")[0]
                weight.copy_(start(module, weight, ".lora_A" in name))
    return model.train()


def start(module, weight, first):
    """Numbers that the Rust side makes again: neither matrix zero, so that both have gradients."""
    i = torch.arange(weight.numel(), dtype=torch.float64).reshape(weight.shape)
    if first:
        return (torch.sin(0.37 * i + len(module)) / math.sqrt(weight.shape[1])).float()
    return (0.02 * torch.cos(0.53 * i + len(module))).float()


def losses(model, method, batch, vocab):
    rewards, entropy, targets = [], 0.0, 0
    for side in ("chosen", "rejected"):
        mask = torch.tensor(batch[f"{side}_attention_mask"])
        ids = torch.tensor(batch[f"{side}_input_ids"]) % vocab
        heads, logits = model(ids, mask)
        last = mask.sum(1) - 1
        rewards.append(heads[torch.arange(len(last)), last])
        labels = torch.tensor(batch[f"{side}_lm_labels"])
        labels = torch.where(labels == IGNORED, labels, labels % vocab)
        entropy = entropy + torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
        targets += (labels != IGNORED).sum()
    lm = entropy / targets
    reward = -torch.nn.functional.logsigmoid(rewards[0] - rewards[1]).mean()
    total = {"csft": lm, "cloud": reward + 1.25 * lm, "classic": reward}[method]
    return total, reward, lm, rewards


def golden():
    training = json.loads((FIXTURES / "expected/training.json").read_text())
    found = {}
    for case, (folder, method, keys) in CASES.items():
        torch.manual_seed(0)
        base = CLoud(FIXTURES / folder)
        vocab = base.reward_base_model.config.vocab_size
        model = adapter(base, keys)
        batch = training["vanilla" if method == "classic" else "teacher"].get("batch") or training["teacher"]["batch"]
        learn = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW([p for _, p in learn], lr=1e-3, betas=(0.9, 0.95), eps=1e-10, weight_decay=1e-4)
        steps = []
        for k in range(6):
            total, reward, lm, rewards = losses(model, method, batch, vocab)
            optimizer.zero_grad()
            total.backward()
            grads = {n: p.grad.norm().item() for n, p in learn if p.grad is not None}
            step = {"total_loss": total.item(), "chosen_rewards": rewards[0].tolist(), "rejected_rewards": rewards[1].tolist()}
            step["grad_norm"] = torch.nn.utils.clip_grad_norm_([p for _, p in learn], 1.0).item()
            if k == 0:
                step["grad_norms"] = {
                    n.removeprefix("base_model.model.").replace(".default", "").replace(".modules_to_save", ""): g
                    for n, g in grads.items()}
            steps.append(step)
            optimizer.step()
        found[case] = {"checkpoint": folder, "method": method, "keys": keys, "vocab": vocab, "steps": steps}
    print(json.dumps(found, indent=1))


def load(folder, merged):
    folder = Path(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    base = CLoud(config["base_model_name_or_path"])
    model = PeftModel.from_pretrained(base, folder).eval()
    missing = [n for n, _ in model.named_parameters() if ".lora_" in n]
    assert missing, "no adapter in the model"
    if merged:
        model = model.merge_and_unload()
    out = []
    with torch.inference_mode():
        for ids in json.load(sys.stdin):
            rewards, logits = model(torch.tensor([ids]))
            out.append({"rewards": rewards[0].tolist(), "logits": logits[0, -1].tolist()})
    print(json.dumps(out))


def save(base, folder):
    torch.manual_seed(1)
    model = adapter(CLoud(base), {"r": 3, "lora_alpha": 6, "target_modules": ["q_proj", "down_proj"]})
    with torch.no_grad():
        for p in model.base_model.model.reward_head.modules_to_save.parameters():
            p.mul_(1.125)
    model.save_pretrained(folder)
    path = Path(folder) / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = str(base)
    path.write_text(json.dumps(config))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command, *rest = sys.argv[1:] or ["help"]
    if command == "golden":
        golden()
    elif command in ("load", "merge") and len(rest) == 1:
        load(rest[0], command == "merge")
    elif command == "save" and len(rest) == 2:
        save(*rest)
    else:
        sys.exit(__doc__)
