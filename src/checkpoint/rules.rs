//! Tokenizer files -> [`Text`]: chat template, end-of-turn, BOS, EOS, padding, clean-up; each with its reason.

use std::sync::Arc;

use serde_json::Value;

use super::files::{Json, Source, shorten};
use super::spec::{Message, Method, PromptRule, Reason, SpecialToken};
use super::template::Template;
use super::text::{CRITIQUE_PROMPT, Parts, Text};
use super::tokenizer::Tokenizer;
use crate::{Error, Result};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_MAP: &str = "special_tokens_map.json";
const TEMPLATE: &str = "chat_template.jinja";
const TEMPLATE_JSON: &str = "chat_template.json";
const REFERENCE_EOT: &str = "<|eot_id|>";

/// Every file that says how texts become ids.
pub const FILES: [&str; 5] = [TOKENIZER, CONFIG, SPECIAL_MAP, TEMPLATE, TEMPLATE_JSON];

/// Reads the text rules of a checkpoint.
pub fn read(source: &Source, method: Method, reasons: &mut Vec<Reason>) -> Result<Text> {
    let json = source.read(TOKENIZER)?.ok_or_else(|| {
        let old = source.has("tokenizer.model") || source.has("vocab.json");
        Error::invalid(
            source.place(TOKENIZER),
            if old { "no such file, only an older format" } else { "no such file" },
            "the tokenizer",
            "Save it with `AutoTokenizer.from_pretrained(..., use_fast=True).save_pretrained(...)`.",
        )
    })?;
    let tokenizer = Tokenizer::new(source.place(TOKENIZER), json)?;
    let config = source.json(CONFIG)?;
    let map = source.json(SPECIAL_MAP)?;
    let configs: Vec<&Json> = config.iter().chain(&map).collect();
    if let Some(added) = config.as_ref().map(|c| c.object("added_tokens_decoder")).transpose()?.flatten() {
        check_added(&added, &tokenizer)?;
    }
    let mut reason = |what: &str, value: &str, why: String| {
        reasons.push(Reason { what: what.into(), value: value.into(), why });
    };

    let mut named = |key: &str| -> Result<Option<SpecialToken>> {
        for json in &configs {
            let Some(text) = token_text(json, key)? else { continue };
            let why = json.field(key);
            let Some(id) = tokenizer.id(&text) else {
                return Err(Error::invalid(
                    why,
                    format!("{text:?}, which the tokenizer does not know"),
                    "a token of tokenizer.json",
                    "The tokenizer's files do not belong together: copy them again.",
                ));
            };
            reason(&format!("prompt.{}", key.trim_end_matches("_token")), &text, why);
            return Ok(Some(SpecialToken { text, id }));
        }
        Ok(None)
    };
    let (bos, eos, pad) = (named("bos_token")?, named("eos_token")?, named("pad_token")?);
    let pad = pad.or_else(|| {
        if let Some(eos) = &eos {
            reason("prompt.pad", &eos.text, "no pad_token: EOS, as in the reference".into());
        }
        eos.clone()
    });

    let globals =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
            .into_iter()
            .filter_map(|key| {
                let text = configs.iter().find_map(|json| token_text(json, key).ok().flatten())?;
                Some((key.to_owned(), text))
            })
            .collect();
    let (place, template) = find_template(source, config.as_ref())?;
    reason("prompt.template", &format!("{} characters", template.chars().count()), place.clone());
    if template.contains("strftime_now") {
        let why = format!("{place} uses strftime_now: the same row gives other numbers on another day");
        reason("prompt.template", "may write today's date (UTC)", why);
    }
    let template = Template::new(place, &template, globals)?;
    let end_of_turn = end_of_turn(&template, &tokenizer, method, eos.as_ref(), &mut reason)?;

    let key = "clean_up_tokenization_spaces";
    let stated = config.as_ref().map(|c| c.bool(key)).transpose()?.flatten();
    let clean_up = stated.unwrap_or(false);
    let why = if stated.is_some() {
        config.as_ref().map(|c| c.field(key)).unwrap_or_default()
    } else {
        format!("no {key} in {CONFIG}; default of transformers since 4.45")
    };
    reason("prompt.clean_up", &clean_up.to_string(), why);

    let critique_prompt = if method == Method::Cloud { CRITIQUE_PROMPT.to_owned() } else { String::new() };
    if method == Method::Cloud {
        if let Some(extra) = preamble(&template, bos.as_ref())? {
            let why = "what the template writes before any chat; kept before the critique prompt, as in the reference";
            reason("prompt.critique_turn", &format!("begins with {:?}", shorten(&extra)), why.into());
        }
        reason("prompt.critique_prompt", CRITIQUE_PROMPT, "the reference's; no file holds it".into());
    }
    let rule = PromptRule { critique_prompt, end_of_turn, bos, eos, pad, clean_up };
    Ok(Text(Arc::new(Parts { tokenizer, template, rule, method })))
}

/// A token is written as a text or as an object with `content`.
fn token_text(json: &Json, key: &str) -> Result<Option<String>> {
    match json.get(key) {
        Some(Value::Object(_)) => Ok(json
            .object(key)?
            .map(|o| o.str("content").map(|t| t.map(str::to_owned)))
            .transpose()?
            .flatten()),
        _ => Ok(json.str(key)?.map(str::to_owned)),
    }
}

fn find_template(source: &Source, config: Option<&Json>) -> Result<(String, String)> {
    if let Some(text) = source.text(TEMPLATE)? {
        return Ok((source.place(TEMPLATE), text));
    }
    let json = source.json(TEMPLATE_JSON)?;
    let key = "chat_template";
    for json in config.into_iter().chain(&json) {
        let place = json.field(key);
        match json.get(key) {
            None => {}
            Some(Value::String(text)) => return Ok((place, text.clone())),
            Some(Value::Array(list)) => {
                let of = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
                let default = list.iter().find(|item| of(item, "name").as_deref() == Some("default"));
                if let Some(text) = default.and_then(|item| of(item, "template")) {
                    return Ok((format!("{place}, \"default\""), text));
                }
                let names: Vec<String> = list.iter().filter_map(|item| of(item, "name")).collect();
                return Err(Error::invalid(
                    place,
                    format!("templates named {}", names.join(", ")),
                    "one named \"default\"",
                    "Put the template that the model was trained with into chat_template.jinja.",
                ));
            }
            Some(_) => {
                return Err(Error::invalid(
                    place,
                    "neither a text nor a list",
                    "a Jinja template",
                    "Put the template that the model was trained with into chat_template.jinja.",
                ));
            }
        }
    }
    Err(Error::invalid(
        source.place(CONFIG),
        format!("no {key}, and no {TEMPLATE}"),
        "the chat template that the model was trained with",
        format!("Put it into {TEMPLATE}; a guessed template would give numbers that are silently wrong."),
    ))
}

/// What the template writes before the first turn of every chat (a system turn), beside BOS.
fn preamble(template: &Template, bos: Option<&SpecialToken>) -> Result<Option<String>> {
    let user = || Message { role: "user".into(), content: "Question of a probe".into() };
    let answer = Message { role: "assistant".into(), content: "Answer of a probe".into() };
    let alone = template.render(&[user()])?;
    let alone = bos.and_then(|b| alone.strip_prefix(&b.text)).unwrap_or(&alone);
    let Ok(chat) = template.render(&[user(), answer, user()]) else { return Ok(None) };
    let longest = alone
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| alone.get(*at..).is_some_and(|end| chat.ends_with(end)));
    Ok(longest.filter(|at| *at > 0).and_then(|at| alone.get(..at)).map(str::to_owned))
}

/// tokenizer_config.json repeats the added tokens; transformers believes it, so the two must agree.
fn check_added(added: &Json, tokenizer: &Tokenizer) -> Result<()> {
    for (id, token) in &added.map {
        let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
        let found = tokenizer.id(content);
        if found.map(|id| id.to_string()).as_ref() != Some(id) {
            return Err(Error::invalid(
                added.field(id),
                format!("{content:?}, which tokenizer.json gives {found:?}"),
                "the tokens of tokenizer.json",
                "The tokenizer's files do not belong together: save both again.",
            ));
        }
    }
    Ok(())
}

/// The special token with which the template closes an answer.
fn end_of_turn(
    template: &Template,
    tokenizer: &Tokenizer,
    method: Method,
    eos: Option<&SpecialToken>,
    reason: &mut impl FnMut(&str, &str, String),
) -> Result<SpecialToken> {
    let what = "prompt.end_of_turn";
    let probe = "Answer of a probe";
    let turn = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    let text = template.render(&[turn("user", "Question of a probe"), turn("assistant", probe)])?;
    let Some((_, tail)) = text.rsplit_once(probe) else {
        return Err(Error::invalid(
            &template.place,
            "a template that does not write the answer",
            "a template that writes every turn",
            "Put the template that the model was trained with into chat_template.jinja.",
        ));
    };
    let mut after = tokenizer.find_specials(tail);
    after.sort_by_key(|(_, s)| s.text != REFERENCE_EOT);
    if let Some((_, special)) = after.first() {
        let why = if special.text == REFERENCE_EOT {
            "the reference's, and the chat template closes an answer with it".to_owned()
        } else {
            format!(
                "the reference's {REFERENCE_EOT} closes no answer here; the chat template's first special token after one"
            )
        };
        reason(what, &special.text, why);
        return Ok((*special).clone());
    }
    match (method, eos) {
        (Method::Classic, Some(eos)) => {
            reason(what, &eos.text, "the chat template closes an answer with no special token; EOS".into());
            Ok(eos.clone())
        }
        _ => Err(Error::invalid(
            &template.place,
            format!("an answer followed by {tail:?}"),
            "an answer closed by a special token, at which the reward is read",
            "Put the template that the model was trained with into chat_template.jinja.",
        )),
    }
}
