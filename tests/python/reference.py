"""An independent re-implementation of zankner/CLoud's `CLoudRewardModel.predict_reward` on transformers, to check numbers against.

    python reference.py check [FOLDER...]      reproduce tests/fixtures/expected/*.json
    python reference.py run CHECKPOINT PROMPT ANSWER

Needs torch, transformers (4.51.3 made the fixtures) and safetensors.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

CRITIQUE_PROMPT = (
    "The following is a break down on the correctness and usefulness of the assistant's response to my question: "
)
EOT = "<|eot_id|>"
PENALTY = 1.01
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def windowed(mask, window):
    """Adds a sliding window to a causal mask [.., queries, keys] whose last query sits at the last key."""
    queries, keys = mask.shape[-2:]
    query = torch.arange(keys - queries, keys).unsqueeze(1)
    return mask.masked_fill(torch.arange(keys).unsqueeze(0) <= query - window, torch.finfo(mask.dtype).min)


def intended_windows(model):
    """transformers 4.51.3 does not (or not rightly) do two things that configurations ask for: `max_window_layers` of
    Qwen (its eager mask has the window on every layer, even where `use_sliding_window` is false) and `layer_types`."""
    config = model.model.config
    if config.model_type in ("qwen2", "qwen3"):
        window, config.sliding_window = config.sliding_window, None
        for index, layer in enumerate(model.model.layers):
            if config.use_sliding_window and index >= config.max_window_layers:

                def narrow(_module, args, kwargs):
                    kwargs["attention_mask"] = windowed(kwargs["attention_mask"], window)
                    return args, kwargs

                layer.register_forward_pre_hook(narrow, with_kwargs=True)
    elif (kinds := getattr(config, "layer_types", None)) is not None:
        for kind, layer in zip(kinds, model.model.layers, strict=True):
            layer.is_sliding = layer.self_attn.is_sliding = kind == "sliding_attention"
            layer.self_attn.sliding_window = config.sliding_window if layer.is_sliding else None


class Reference:
    """A checkpoint in the reference's layout. Its `base_model_name_or_path` must be a folder inside it."""

    def __init__(self, folder, dtype=torch.float32, attention="eager", use_cache=True):
        folder = Path(folder)
        outer = json.loads((folder / "config.json").read_text())
        self.method = outer.get("feedback_method", "vanilla")
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")
        self.eot = self.tokenizer.encode(EOT, add_special_tokens=False)[0]
        config = AutoConfig.from_pretrained(folder / outer["base_model_name_or_path"])
        tensors = {}
        for file in sorted(folder.glob("*.safetensors")):
            tensors.update(load_file(file))
        part = lambda prefix: {k[len(prefix):]: v.to(dtype) for k, v in tensors.items() if k.startswith(prefix)}
        self.base = AutoModelForCausalLM.from_config(config, attn_implementation=attention).to(dtype).eval()
        missing, unexpected = self.base.load_state_dict(part("reward_base_model."), strict=False)
        tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
        assert set(missing) <= tied and not unexpected, (missing, unexpected)
        self.base.tie_weights()
        intended_windows(self.base)
        self.dense, self.out_proj = part("reward_head.dense."), part("reward_head.out_proj.")
        self.use_cache = use_cache

    def head(self, hidden):
        hidden = torch.tanh(torch.nn.functional.linear(hidden, self.dense["weight"], self.dense["bias"]))
        return torch.nn.functional.linear(hidden, self.out_proj["weight"], self.out_proj["bias"]).squeeze(-1)

    def format(self, prompt, answer, critique_prompt=CRITIQUE_PROMPT):
        template = lambda turns: self.tokenizer.apply_chat_template(turns, tokenize=False)
        text = template([{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])
        if self.method == "teacher":
            turn = template([{"role": "user", "content": critique_prompt}])
            for token in (self.tokenizer.bos_token, self.tokenizer.eos_token, EOT):
                turn = turn.replace(token, "")
            text += turn
        return text

    def tokenize(self, texts):
        return self.tokenizer(texts, add_special_tokens=False, return_tensors="pt", padding=True,
                              return_token_type_ids=False)

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def generate(self, inputs, max_tokens, **more):
        return self.base.generate(
            **inputs, max_new_tokens=max_tokens, do_sample=False, temperature=None, top_p=None, top_k=None,
            pad_token_id=self.tokenizer.pad_token_id, eos_token_id=self.eot, repetition_penalty=PENALTY,
            return_dict_in_generate=True, use_cache=self.use_cache, **more)

    def kept(self, ids):
        """The tokens before the first end of turn or end of text."""
        ends = [i for i, id in enumerate(ids) if id in (self.eot, self.tokenizer.eos_token_id)]
        return ids[: ends[0]] if ends else ids

    def last_hidden(self, inputs):
        return self.base(**inputs, output_hidden_states=True, use_cache=False).hidden_states[-1]

    @torch.inference_mode()
    def predict_reward(self, prompts, answers, critique_prompt=CRITIQUE_PROMPT, max_tokens=1024):
        texts = [self.format(p, a, critique_prompt) for p, a in zip(prompts, answers, strict=True)]
        inputs = self.tokenize(texts)
        critiques = [""] * len(texts)
        if self.method == "teacher":
            generated = self.generate(inputs, max_tokens).sequences[:, inputs["input_ids"].shape[1]:]
            critiques = [self.tokenizer.decode(self.kept(row)).strip() for row in generated.tolist()]
            inputs = self.tokenize([t + c + EOT for t, c in zip(texts, critiques)])
        return self.head(self.last_hidden(inputs)[:, -1]).tolist(), critiques

    def rewards(self, ids):
        """Head at every position of one sequence."""
        ids = torch.tensor([ids])
        return self.head(self.last_hidden({"input_ids": ids, "attention_mask": torch.ones_like(ids)})[0]).tolist()

    @torch.inference_mode()
    def explain(self, prompt, answer, critique_prompt=CRITIQUE_PROMPT, max_tokens=256):
        """Every number of `expected/*.json` for one example."""
        text = self.format(prompt, answer, critique_prompt)
        row = {"prompt": prompt, "answer": answer, "formatted_prompt": text, "prompt_token_ids": self.ids(text)}
        if self.method != "teacher":
            trace = self.rewards(row["prompt_token_ids"])
            return row | {"reward": trace[-1], "trace_all": trace}
        prompt_ids = row["prompt_token_ids"]
        run = self.generate(self.tokenize([text]), max_tokens, output_logits=True)
        ids = run.sequences[0, len(prompt_ids):].tolist()
        row |= {"max_tokens": max_tokens, "critique_token_ids": ids,
                "stopped": "eot" if ids[-1] == self.eot else "max_tokens"}
        row |= self.choices(prompt_ids, ids, [step[0] for step in run.logits])
        row["critique_decoded"] = self.tokenizer.decode(self.kept(ids))
        row["critique"] = row["critique_decoded"].strip()
        row |= self.re_encoded(text, prompt_ids, row["critique"])
        row["generation_trace"] = self.rewards(prompt_ids + ids)[len(prompt_ids) - 1:]
        return row

    def choices(self, prompt_ids, ids, logits):
        """How clear each greedy choice was, and where the repetition penalty decided it."""
        def penalised(raw, seen):
            seen = torch.tensor(sorted(set(seen)), dtype=torch.long)
            out = raw.clone()
            out[seen] = torch.where(raw[seen] < 0, raw[seen] * PENALTY, raw[seen] / PENALTY)
            return out

        margins, by_penalty, by_prompt = [], [], []
        for step, (chosen, raw) in enumerate(zip(ids, logits, strict=True)):
            top = penalised(raw, prompt_ids + ids[:step]).topk(2)
            assert top.indices[0] == chosen, f"step {step}: generate chose {chosen}, the logits say {top.indices[0]}"
            margins.append((top.values[0] - top.values[1]).item())
            if raw.argmax() != chosen:
                by_penalty.append(step)
            if penalised(raw, ids[:step]).argmax() != chosen:
                by_prompt.append(step)
        first = logits[0].topk(8)
        return {"min_top2_margin": min(margins), "min_top2_margin_step": margins.index(min(margins)),
                "steps_changed_by_penalty": by_penalty, "steps_changed_by_penalty_on_prompt": by_prompt,
                "first_step_top8": {"ids": first.indices.tolist(), "logits": first.values.tolist()}}

    @torch.inference_mode()
    def re_encoded(self, text, prompt_ids, critique):
        """Reward, trace and stop-here in the re-encoded reading."""
        final = text + critique + EOT
        encoded = self.tokenizer(final, add_special_tokens=False, return_offsets_mapping=True)
        ids, ends = encoded["input_ids"], [end for _, end in encoded["offset_mapping"]]
        start = next(i for i, end in enumerate(ends) if end > len(text))
        trace = self.rewards(ids)
        stop = [self.rewards(ids[:end] + [self.eot])[-1] for end in range(start, len(ids))]
        return {"reward": trace[-1], "final_text": final, "final_token_ids": ids, "critique_start": start,
                "prompt_is_token_prefix_of_final": ids[: len(prompt_ids)] == prompt_ids,
                "trace": trace[start:], "trace_all": trace, "stop_here_empty": stop[0], "stop_here": stop[1:]}


def difference(found, expected, path=""):
    """Largest absolute difference of the floats both have; texts, ids and counts must be equal."""
    if isinstance(expected, dict):
        return max([difference(found[k], v, f"{path}.{k}") for k, v in expected.items() if k in found], default=0.0)
    if isinstance(expected, list):
        assert len(found) == len(expected), f"{path}: {len(found)} items, expected {len(expected)}"
        return max([difference(f, e, f"{path}[{i}]") for i, (f, e) in enumerate(zip(found, expected))], default=0.0)
    if isinstance(expected, float):
        tolerance = 1e-3 if "logits" in path or "margin" in path else 1e-4 + 1e-4 * abs(expected)
        assert abs(found - expected) <= tolerance, f"{path}: {found}, expected {expected}"
        return abs(found - expected)
    assert found == expected, f"{path}: {found!r}, expected {expected!r}"
    return 0.0


def check(folder, expected):
    """Runs everything in an expected file again; returns the largest difference of each part."""
    reference = Reference(folder)
    parts = {}

    def part(name, found, wanted):
        parts[name] = max(parts.get(name, 0.0), difference(found, wanted, f"{folder.name}.{name}"))

    def again(name, row):
        prompt = row.get("critique_prompt", CRITIQUE_PROMPT)
        part(name, reference.explain(row["prompt"], row["answer"], prompt, row.get("max_tokens", 256)), row)

    for name in ("examples", "repetition_penalty_cases", "truncated", "custom_critique_prompt"):
        for row in expected.get(name, []):
            again(name, row)
    rows = {row["id"]: row for row in expected["examples"]}
    if batch := expected.get("batch"):
        chosen = [rows[id] for id in batch["ids"]]
        rewards, critiques = reference.predict_reward(
            [r["prompt"] for r in chosen], [r["answer"] for r in chosen], max_tokens=256)
        part("batch", {"rewards": rewards, "critiques": critiques}, batch)
    for edit in expected.get("edits", []):
        row = rows[edit["id"]]
        final = reference.re_encoded(row["formatted_prompt"], row["prompt_token_ids"], edit["edited_critique"])
        part("edits", {"edited_critique_token_ids": final["final_token_ids"],
                       "reward_edited_critique": final["reward"]}, edit)
        answer = edit["edited_answer"]
        part("edits", reference.explain(row["prompt"], answer["answer"]), answer)
    return parts


def main():
    command, *rest = sys.argv[1:] or ["help"]
    torch.set_grad_enabled(False)
    if command == "check":
        names = rest or sorted(p.stem for p in (FIXTURES / "expected").glob("*.json")
                               if (FIXTURES / p.stem).is_dir())
        for name in names:
            expected = json.loads((FIXTURES / "expected" / f"{name}.json").read_text())
            parts = check(FIXTURES / name, expected)
            print(name, *(f"{part} {value:.1e}" for part, value in parts.items()), sep="  ")
    elif command == "run" and len(rest) == 3:
        print(json.dumps(Reference(rest[0]).explain(*rest[1:]), indent=1, ensure_ascii=False))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
