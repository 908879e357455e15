"""Training steps in PyTorch for benches/train_step.rs: answers each line of standard input with a line of JSON.

    python train_step.py WEIGHTS SHAPE.json lean|hf|peft THREADS

The same weights, rows, loss (CLoud: 1.25 x cross-entropy + reward loss), clipping and AdamW. `lean` is a small Llama on
torch's fused operations; `hf` is transformers' LlamaForCausalLM, as the reference uses it; `peft` the same
with LoRA of rank 8 on all its linear layers.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

weights, shape, kind, threads = sys.argv[1:5]
torch.set_num_threads(int(threads))
shape = json.load(open(shape))
hidden, layers, heads, kv, inner, vocab = (shape[k] for k in ("hidden", "layers", "heads", "kv_heads", "inner", "vocab"))
tensors = load_file(weights)
BASE = "reward_base_model."


class Lean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.p = torch.nn.ParameterDict({k.replace(".", "/"): torch.nn.Parameter(v) for k, v in tensors.items() if k.startswith(BASE)})
        dim = hidden // heads
        frequency = 10000.0 ** (-torch.arange(0, dim, 2).float() / dim)
        angle = torch.arange(shape["tokens"]).float()[:, None] * frequency
        self.cos, self.sin = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()

    def w(self, name):
        return self.p[(BASE + name).replace(".", "/")]

    def rope(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def forward(self, ids):
        x = F.embedding(ids, self.w("model.embed_tokens.weight"))
        b, n, _ = x.shape
        for i in range(layers):
            w = lambda name: self.w(f"model.layers.{i}.{name}.weight")
            h = F.rms_norm(x, (hidden,), w("input_layernorm"), 1e-5)
            cut = lambda t, heads: t.view(b, n, heads, -1).transpose(1, 2)
            q = self.rope(cut(F.linear(h, w("self_attn.q_proj")), heads))
            k = self.rope(cut(F.linear(h, w("self_attn.k_proj")), kv))
            v = cut(F.linear(h, w("self_attn.v_proj")), kv)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv)
            x = x + F.linear(a.transpose(1, 2).reshape(b, n, -1), w("self_attn.o_proj"))
            h = F.rms_norm(x, (hidden,), w("post_attention_layernorm"), 1e-5)
            x = x + F.linear(F.silu(F.linear(h, w("mlp.gate_proj"))) * F.linear(h, w("mlp.up_proj")), w("mlp.down_proj"))
        x = F.rms_norm(x, (hidden,), self.w("model.norm.weight"), 1e-5)
        return x, F.linear(x, self.w("lm_head.weight"))


class HuggingFace(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        self.model = LlamaForCausalLM(LlamaConfig(
            vocab_size=vocab, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
            num_key_value_heads=kv, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=2048,
            tie_word_embeddings=False, attn_implementation="sdpa"))
        missing = self.model.load_state_dict({k[len(BASE):]: v for k, v in tensors.items() if k.startswith(BASE)}, strict=True)
        assert not missing.missing_keys

    def forward(self, ids):
        out = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, use_cache=False)
        return out.hidden_states[-1], out.logits


model = Lean() if kind == "lean" else HuggingFace()
head = torch.nn.ParameterDict({k.replace(".", "/"): torch.nn.Parameter(v) for k, v in tensors.items() if k.startswith("reward_head")})
if kind == "peft":
    from peft import LoraConfig, get_peft_model

    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model.model = get_peft_model(model.model, LoraConfig(r=8, lora_alpha=16, target_modules=names))
parameters = [p for p in [*model.parameters(), *head.parameters()] if p.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.95), eps=1e-10, weight_decay=1e-4, fused=True)
ids = torch.tensor(shape["rows"])
labels = torch.full_like(ids, -100)
labels[:, shape["first_target"]:-1] = ids[:, shape["first_target"] + 1:]


def step():
    optimizer.zero_grad(set_to_none=True)
    states, logits = model(ids)
    last = states[:, -1]
    dense = torch.tanh(F.linear(last, head["reward_head/dense/weight"], head["reward_head/dense/bias"]))
    rewards = F.linear(dense, head["reward_head/out_proj/weight"], head["reward_head/out_proj/bias"])[:, 0]
    loss = -F.logsigmoid(rewards[0::2] - rewards[1::2]).mean()
    loss = loss + 1.25 * F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return loss.item()


for _ in sys.stdin:
    begun = time.perf_counter()
    loss = step()
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "loss": loss, "peak_mib": peak}), flush=True)
