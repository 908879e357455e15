"""Makes tests/fixtures/families/*: tiny random checkpoints of families and options the given fixtures lack, with what the
reference computes on them.

    python make_family_fixtures.py [NAME...]

Every option under test must move the rewards (`matters`), greedy choices must be clear, and float64 must agree, or
another seed is tried. See reference.py for what it needs.
"""

import json
import math
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from reference import FIXTURES, Reference

FAMILIES = FIXTURES / "families"
MAX_TOKENS = 24
EXAMPLES = [
    ("sum", "Tom has 12 apples and buys 7 more. How many?", "12 + 7 = 19. The answer is 19."),
    ("code", "Write a function f that doubles x.", "```python\ndef f(x):\n    return x * 2\n```"),
    ("unicode", "Say hello in Spanish.", "¡Hola, señor! 👋"),
    ("long", "List the numbers from 1 to 20.", ", ".join(str(i) for i in range(1, 21)) + "."),
    ("empty", "Say nothing.", ""),
]
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 32,
    "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "vocab_size": 772, "bos_token_id": 762, "eos_token_id": 763,
}
QWEN = LLAMA | {"vocab_size": 722, "bos_token_id": 692, "eos_token_id": 693, "rope_theta": 1000000.0,
                "rms_norm_eps": 1e-6, "num_hidden_layers": 3, "tie_word_embeddings": True}
GEMMA = {k: v for k, v in LLAMA.items() if k not in ("hidden_act", "tie_word_embeddings", "rope_theta")} | {
    "head_dim": 12, "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "hidden_activation": "gelu_pytorch_tanh"}


def without(config, *keys):
    return {k: v for k, v in config.items() if k not in keys}


# name: (base config, changes that must show in the rewards, what it is for)
CASES = {
    "llama-linear-rope": (LLAMA | {"rope_scaling": {"type": "linear", "factor": 4.0}},
                          [{"rope_scaling": None}, {"rope_theta": 500000.0}],
                          "Llama, linear rope scaling under the old key `type`, untied"),
    "llama-biases": (LLAMA | {"attention_bias": True, "mlp_bias": True, "rope_scaling": None}, [],
                     "Llama with biases in attention and MLP"),
    "llama-head-dim": (LLAMA | {"head_dim": 12, "rope_scaling": None, "num_key_value_heads": 4, "hidden_act": "gelu"},
                       [{"hidden_act": "silu"}], "Llama, head_dim 12 with 32 / 4, no GQA, exact GELU"),
    "llama-tied": (without(LLAMA, "rms_norm_eps", "rope_theta", "num_key_value_heads", "hidden_act")
                   | {"tie_word_embeddings": True}, [], "Llama, tied, keys equal to the defaults left out"),
    "llama-f16": (LLAMA | {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "high_freq_factor": 4.0,
                                            "low_freq_factor": 1.0, "original_max_position_embeddings": 64}},
                  [{"rope_scaling": None}], "Llama, llama3 rope scaling, weights in float16"),
    "mistral": (LLAMA | {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 16},
                [{"sliding_window": None}, {"sliding_window": 17}], "Mistral, sliding window 16, untied"),
    "qwen2-window": (QWEN | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "use_sliding_window": True,
                             "sliding_window": 16, "max_window_layers": 1},
                     [{"use_sliding_window": False}, {"max_window_layers": 0}, {"max_window_layers": 2}],
                     "Qwen2, QKV bias, sliding window on the layers from max_window_layers on"),
    "qwen3": (QWEN | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 12,
                      "attention_bias": False, "use_sliding_window": False, "sliding_window": 16,
                      "max_window_layers": 1}, [{"use_sliding_window": True}],
              "Qwen3, QK norm, head_dim 12 with 32 / 4, a window that is not used"),
    "gemma": (GEMMA | {"architectures": ["GemmaForCausalLM"], "model_type": "gemma",
                       "hidden_act": "gelu_pytorch_tanh", "hidden_activation": None}, [],
              "Gemma 1, (1 + w) norms, scaled embeddings, tied by default"),
    "gemma2": (GEMMA | {"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "num_hidden_layers": 4,
                        "attn_logit_softcapping": 2.0, "final_logit_softcapping": 6.0, "sliding_window": 16,
                        "query_pre_attn_scalar": 9},
               [{"attn_logit_softcapping": None}, {"sliding_window": 4096}, {"query_pre_attn_scalar": 12}],
               "Gemma 2, soft-capped attention and logits, sandwich norms, window on every other layer"),
    "gemma3-defaults": (GEMMA | {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 24,
                                 "intermediate_size": 32, "num_hidden_layers": 7, "sliding_window": 16,
                                 "query_pre_attn_scalar": 12},
                        [{"sliding_window": 4096}, {"sliding_window_pattern": 7}, {"rope_theta": 10000.0}],
                        "Gemma 3, sliding_window_pattern, both rope bases and tying by default"),
    "gemma3-layer-types": (GEMMA | {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text",
                                    "num_hidden_layers": 4, "sliding_window": 16, "query_pre_attn_scalar": 20,
                                    "rope_theta": 100000.0, "rope_local_base_freq": 1000.0,
                                    "rope_scaling": {"rope_type": "linear", "factor": 4.0},
                                    "layer_types": ["full_attention", "sliding_attention", "sliding_attention",
                                                    "full_attention"]},
                           [{"layer_types": None}, {"rope_local_base_freq": 10000.0}, {"rope_scaling": None}],
                           "Gemma 3 as newer configurations write it: layer_types, irregular"),
}


def weights(base, seed):
    """Random weights under which every part shows: norms and biases away from their defaults, hidden states alive."""
    config = AutoConfig.from_pretrained(base)
    model = AutoModelForCausalLM.from_config(config)
    hidden, plus_one = config.hidden_size, config.model_type.startswith("gemma")
    random = torch.Generator().manual_seed(seed)
    normal = lambda shape, std: torch.randn(shape, generator=random) * std
    eot = config.vocab_size - 1 if config.vocab_size == 772 else 701
    out = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name.endswith("bias"):
            value = normal(tensor.shape, 0.5)
        elif "norm" in name:
            value = torch.rand(tensor.shape, generator=random) + (0.0 if plus_one else 0.5)
            if "post_feedforward" in name or "post_attention" in name and "gemma" in config.model_type:
                value += 1.5
        elif tensor.shape[0] == config.vocab_size:
            # Small where it also enters the residual stream, so that the last token does not just repeat itself.
            entering = name != "lm_head.weight" and not config.tie_word_embeddings
            value = normal(tensor.shape, 1.0 if entering else 4.0 / math.sqrt(hidden))
            value[eot] *= 1.4
            if config.tie_word_embeddings:
                value *= 0.5
        else:
            gain = 1.6 if "q_proj" in name or "k_proj" in name else 1.5
            value = normal(tensor.shape, gain / math.sqrt(tensor.shape[1]))
        out["reward_base_model." + name] = value
    for name, shape, std in (("dense.weight", (hidden, hidden), 0.7 / math.sqrt(hidden)), ("dense.bias", (hidden,), 0.3),
                             ("out_proj.weight", (1, hidden), 1.5 / math.sqrt(hidden)), ("out_proj.bias", (1,), 0.3)):
        out["reward_head." + name] = normal(shape, std)
    return out


def rounded(value):
    """Floats with 8 significant digits."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def write_checkpoint(folder, config, seed):
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "base").mkdir(parents=True)
    donor = FIXTURES / ("cloud-qwen2-tiny" if config["vocab_size"] == 722 else "cloud-llama-tiny")
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(donor / file, folder / file)
    dtype = torch.float16 if folder.name.endswith("f16") else torch.float32
    outer = {"architectures": ["CLoudRewardModel"], "base_model_name_or_path": "base", "feedback_method": "teacher",
             "torch_dtype": str(dtype).removeprefix("torch."), "transformers_version": "4.51.3"}
    (folder / "config.json").write_text(json.dumps(outer, indent=2) + "\n")
    (folder / "base/config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    tensors = {k: v.to(dtype).contiguous() for k, v in weights(folder / "base", seed).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def changed(folder, config, change, rows):
    """How far the rewards of `rows` move when the base configuration says something else."""
    file = folder / "base/config.json"
    kept = file.read_text()
    try:
        file.write_text(json.dumps(config | change))
        other = Reference(folder, use_cache=False)
    finally:
        file.write_text(kept)
    return max(abs(other.rewards(row["final_token_ids"])[-1] - row["reward"]) for row in rows)


def attempt(folder, config, matters, seed):
    """The expected numbers, or why this seed is no good."""
    write_checkpoint(folder, config, seed)
    reference = Reference(folder, use_cache=False)
    inputs = reference.tokenize([reference.format(prompt, answer) for _, prompt, answer in EXAMPLES])
    glance = reference.generate(inputs, MAX_TOKENS).sequences[:, inputs["input_ids"].shape[1]:]
    if not 0 < (glance == reference.eot).any(dim=1).sum() < len(EXAMPLES):
        return None, "all stop alike"
    rows = [{"id": id} | reference.explain(p, a, max_tokens=MAX_TOKENS) for id, p, a in EXAMPLES]
    rows = [row for row in rows if row["min_top2_margin"] >= 5e-3][:4]
    if len(rows) < 3:
        return None, "choices not clear"
    if {row["stopped"] for row in rows} != {"eot", "max_tokens"}:
        return None, "all stop alike"
    ids = [id for row in rows for id in row["critique_token_ids"]]
    if len(set(ids)) < 20 or min(len(row["critique_token_ids"]) for row in rows) < 3:
        return None, "tokens do not vary"
    rewards = [row["reward"] for row in rows]
    if max(rewards) - min(rewards) < 0.2:
        return None, "rewards do not vary"
    for change in matters:
        if (moved := changed(folder, config, change, rows)) < 5e-3:
            return None, f"{change} moves the rewards by {moved:.1e} only"
    exact = Reference(folder, dtype=torch.float64, use_cache=False)
    noise = max(abs(a - b) for row in rows for a, b in zip(exact.rewards(row["final_token_ids"]), row["trace_all"]))
    if noise > 1e-5:
        return None, f"float64 differs by {noise:.1e}"
    tokenizer = reference.tokenizer
    return {"seed": seed, "eot_token_id": reference.eot, "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "float64_max_abs_diff_rewards": noise, "examples": rows}, None


def main():
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        config, matters, purpose = CASES[name]
        for seed in range(400):
            expected, problem = attempt(FAMILIES / name, config, matters, seed)
            if expected:
                break
            if seed % 10 == 0:
                print(f"{name} seed {seed}: {problem}", file=sys.stderr)
        else:
            sys.exit(f"{name}: no good seed")
        text = json.dumps(rounded({"checkpoint": name, "purpose": purpose} | expected), ensure_ascii=False, indent=None)
        (FAMILIES / name / "expected.json").write_text(text.replace('{"id"', '\n{"id"') + "\n")
        stops = [(row["id"], row["stopped"], len(row["critique_token_ids"]), round(row["reward"], 3)) for row in expected["examples"]]
        print(name, "seed", expected["seed"], "noise", f"{expected['float64_max_abs_diff_rewards']:.1e}", stops)


if __name__ == "__main__":
    main()
