//! Chat templates of well-known models give what transformers gives, on a copy of the tiny checkpoint.

use outloud::checkpoint::{Checkpoint, Message, Part, Prompt};
use serde_json::json;

use crate::damaged::Copy;

const CHATML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const QWEN25: &str = r#"{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n\n" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "<|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- for tool_call in message.tool_calls %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"#;

const QWEN3: &str = r#"{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
"#;

const LLAMA31: &str = r#"{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message + builtin tools #}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"#;

const GEMMA2: &str = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

const MISTRAL: &str = "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}";

const ZEPHYR: &str = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";

/// The tiny checkpoint with another template; reserved special tokens take the names the template uses.
fn with(template: &str, tokens: &[&str], bos: &str, eos: &str) -> Checkpoint {
    let copy = Copy::of("cloud-llama-tiny");
    let reserved =
        ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"];
    let (mut tokenizer, mut config) = (copy.text("tokenizer.json"), copy.json("tokenizer_config.json"));
    for (i, token) in tokens.iter().enumerate() {
        let old = reserved.iter().find(|r| !tokens.contains(r) && tokenizer.contains(**r));
        if !tokenizer.contains(&format!("{:?}", token)) {
            let old = old.map_or_else(|| format!("<|reserved_special_token_{i}|>"), |r| (*r).to_owned());
            tokenizer = tokenizer.replace(&format!("{old:?}"), &format!("{token:?}"));
        }
    }
    copy.write("tokenizer.json", &tokenizer);
    copy.write("special_tokens_map.json", "{}");
    config.as_object_mut().unwrap().remove("added_tokens_decoder");
    config["bos_token"] = json!((!bos.is_empty()).then_some(bos));
    config["eos_token"] = json!({"content": eos, "lstrip": false});
    config["pad_token"] = json!(null);
    config["chat_template"] = json!(template);
    copy.write("tokenizer_config.json", config.to_string());
    copy.open().unwrap()
}

fn text(checkpoint: &Checkpoint, prompt: &str, answer: &str) -> String {
    let formatted =
        checkpoint.text.format(&Prompt::Text(prompt.into()), answer, Some("Judge: "), false).unwrap();
    let find =
        |part| formatted.parts.iter().find(|(p, _)| *p == part).map(|(_, r)| &formatted.text[r.clone()]);
    assert_eq!(find(Part::Prompt), Some(prompt.trim()));
    assert_eq!(find(Part::Answer), Some(answer.trim()));
    assert_eq!(find(Part::CritiquePrompt), Some("Judge:"));
    assert_eq!(formatted.specials.is_empty(), !answer.contains("<|im_"));
    formatted.text
}

#[test]
fn chatml_keeps_white_space_and_ends_with_the_critique_prompt() {
    let c = with(CHATML, &["<|im_start|>", "<|im_end|>"], "", "<|im_end|>");
    assert_eq!(c.spec.prompt.end_of_turn.text, "<|im_end|>");
    assert_eq!(c.spec.prompt.bos, None);
    assert_eq!(
        text(&c, " Hi ", "Yes.\n"),
        "<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\nYes.\n<|im_end|>\n<|im_start|>user\nJudge: "
    );
    assert!(!c.spec.reasons.iter().any(|r| r.what == "prompt.critique_turn"));
    let reason = c.spec.reasons.iter().find(|r| r.what == "prompt.end_of_turn").unwrap();
    assert!(reason.why.contains("<|eot_id|>"), "{reason:?}");
}

#[test]
fn qwen25_adds_its_system_turn_to_both_renderings_as_the_reference_would() {
    let c = with(QWEN25, &["<|im_start|>", "<|im_end|>"], "", "<|im_end|>");
    let reason = c.spec.reasons.iter().find(|r| r.what == "prompt.critique_turn").unwrap();
    assert!(reason.value.contains("You are Qwen"), "{reason:?}");
    let system = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
    assert_eq!(
        text(&c, "Hi", "Yes."),
        format!(
            "{system}<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n{system}\n<|im_start|>user\nJudge: "
        )
    );
}

#[test]
fn qwen3_takes_thinking_apart() {
    let c = with(QWEN3, &["<|im_start|>", "<|im_end|>"], "", "<|im_end|>");
    assert_eq!(
        text(&c, "Hi", "<think>\nhm\n</think>\n\nYes."),
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nYes.<|im_end|>\n<|im_start|>user\nJudge: "
    );
    // A special token typed behind the thinking is still found and escaped.
    let answer = "<think>\nhm\n</think>\n\n<|im_end|>";
    let formatted = c.text.format(&Prompt::Text("Hi".into()), answer, Some("Judge: "), false).unwrap();
    let ends = formatted.ids.iter().filter(|id| **id == c.spec.prompt.end_of_turn.id).count();
    assert_eq!((ends, formatted.literals.len()), (2, 1));
    assert_eq!(c.text.decode(&formatted.ids).unwrap(), formatted.text);
}

#[test]
fn llama31_writes_a_system_turn_and_trims() {
    let tokens =
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];
    let c = with(LLAMA31, &tokens, tokens[0], tokens[1]);
    let system = "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
    assert_eq!(
        text(&c, "Hi ", " Yes."),
        format!(
            "<|begin_of_text|>{system}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>{system}<|start_header_id|>user<|end_header_id|>\n\nJudge:"
        )
    );
}

#[test]
fn gemma_raises_on_a_system_turn_and_its_answers_can_stand_alone() {
    let c = with(GEMMA2, &["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], "<bos>", "<eos>");
    assert_eq!(c.spec.prompt.end_of_turn.text, "<end_of_turn>");
    assert_eq!(
        text(&c, "Hi", "Yes."),
        "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYes.<end_of_turn>\n<start_of_turn>user\nJudge:"
    );
    let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    let chat = Prompt::Messages(vec![message("system", "Be kind."), message("user", "Hi")]);
    let error = c.text.format(&chat, "Yes.", None, false).unwrap_err().to_string();
    assert!(error.contains("System role not supported") && error.contains("chat_template"), "{error}");
    // The trainer tokenises turns alone; a template that wants turns in order gets one before it.
    let turn = c.text.template_turn(&[(Part::Answer, message("assistant", "Yes."))], false, false).unwrap();
    assert_eq!(turn.text, "<start_of_turn>model\nYes.<end_of_turn>\n");
    assert_eq!(turn.parts[1], (Part::Answer, 21..25));
}

#[test]
fn mistral_closes_answers_with_eos() {
    let c = with(MISTRAL, &["<s>", "</s>"], "<s>", "</s>");
    assert_eq!(c.spec.prompt.end_of_turn.text, "</s>");
    assert_eq!(text(&c, "Hi", "Yes."), "<s>[INST] Hi [/INST]Yes.</s>[INST] Judge:  [/INST]");
}

#[test]
fn zephyr_needs_trimmed_blocks() {
    let c = with(ZEPHYR, &["<s>", "</s>"], "<s>", "</s>");
    assert_eq!(text(&c, "Hi", "Yes."), "<|user|>\nHi</s>\n<|assistant|>\nYes.</s>\n<|user|>\nJudge: ");
}

/// What a template made of these messages writes.
fn rendered(template: &str) -> String {
    let copy = Copy::of("classic-llama-tiny");
    copy.write("chat_template.jinja", format!("{template}{{{{ messages[-1].content }}}}<|eot_id|>"));
    let checkpoint = copy.open().unwrap();
    let formatted = checkpoint.text.format(&Prompt::Text("Hi".into()), "", None, false).unwrap();
    formatted.text.strip_suffix("<|eot_id|>").unwrap().to_owned()
}

#[test]
fn jinja_as_hugging_face_runs_it() {
    for (template, want) in [
        ("{{ {'a': '<é>', 'b': [1, true, none]} | tojson }}", r#"{"a": "<é>", "b": [1, true, null]}"#),
        ("{{ {'a': [1]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}"),
        ("{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}", "role=user;content=Hi;"),
        (
            "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "02",
        ),
        ("{{ none }} {{ true }} {{ undefined_name }}|", "None True |"),
        ("{% generation %}a{% endgeneration %}{%- generation -%} b {%- endgeneration -%}", "ab"),
        ("{{ 'a,b'.split(',')[1].upper() }}{{ ' x '.strip() }}{{ ' x\x1c ' | trim }}", "Bxx"),
        ("{{ strftime_now('%Y') | int > 2000 }}{{ strftime_now('%%') }}", "True%"),
        (
            "{% set ns = namespace(x=1) %}{% for m in messages %}{% set ns.x = ns.x + 1 %}{% endfor %}{{ ns.x }}",
            "3",
        ),
        (
            "{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f('y') }}{{ messages | map(attribute='role') | join('+') }}",
            "[y]user+assistant",
        ),
        ("{% if true %}\n  {% if true %}\nx\n  {% endif %}\n{% endif %}\n", "x\n"),
        (
            "{{ messages[0]['content'] ~ 1 }}{{ 'b' if tools is none else 'c' }}{{ '%s-%s' | format('p', 'q') }}",
            "Hi1bp-q",
        ),
    ] {
        assert_eq!(rendered(template), want, "{template}");
    }
}

#[test]
fn a_list_of_templates_uses_the_default_one_and_a_file_wins() {
    let copy = Copy::of("classic-llama-tiny");
    let mut config = copy.json("tokenizer_config.json");
    let plain = config["chat_template"].clone();
    config["chat_template"] =
        json!([{"name": "tool_use", "template": "x"}, {"name": "default", "template": plain}]);
    copy.write("tokenizer_config.json", config.to_string());
    let prompt = Prompt::Text("Hi".into());
    let original =
        crate::fixtures::open("classic-llama-tiny").text.format(&prompt, "Yes.", None, false).unwrap();
    assert_eq!(copy.open().unwrap().text.format(&prompt, "Yes.", None, false).unwrap(), original);
    copy.write("chat_template.jinja", &(String::from("> ") + plain.as_str().unwrap()));
    let checkpoint = copy.open().unwrap();
    let text = checkpoint.text.format(&prompt, "Yes.", None, false).unwrap().text;
    assert_eq!(text, format!("> {}", original.text));
    assert!(checkpoint.spec.reasons.iter().any(|r| r.why.ends_with("chat_template.jinja")));
}
