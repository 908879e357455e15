//! Text <-> token ids, special tokens typed by users kept apart from those of the template.

use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value;
use tokenizers::Tokenizer as Inner;

use super::spec::SpecialToken;
use crate::{Error, Result};

/// A tokenizer without its post-processor, truncation and padding: the reference uses none of them.
#[derive(Debug)]
pub struct Tokenizer {
    place: String,
    json: Vec<u8>,
    inner: Inner,
    escaping: OnceLock<Result<Inner, String>>,
    specials: Vec<SpecialToken>,
    /// First characters of special tokens, each once.
    starts: Vec<char>,
    anchor: Option<(u32, String)>,
}

/// Ids with the byte range of the text each was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Ids.
    pub ids: Vec<u32>,
    /// Byte ranges; tokens of one character share its range.
    pub ranges: Vec<(usize, usize)>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    pub fn new(place: String, json: Vec<u8>) -> Result<Self> {
        let inner = build(&json).map_err(|e| {
            Error::invalid(
                &place,
                format!("something else ({e})"),
                "a tokenizer in the format of Hugging Face's tokenizers",
                "Save it again with `AutoTokenizer.from_pretrained(...).save_pretrained(...)`.",
            )
        })?;
        let mut specials = Vec::new();
        for token in added(&json) {
            let (Some(text), Some(id)) = (token.get("content").and_then(Value::as_str), id_of(&token)) else {
                continue;
            };
            if inner.token_to_id(text) != Some(id) {
                return Err(Error::invalid(
                    format!("{place}, added token {text:?}"),
                    format!("id {id} where the vocabulary gives {:?}", inner.token_to_id(text)),
                    "added tokens with ids that follow the vocabulary without a gap",
                    "Save the tokenizer again with a current version of transformers.",
                ));
            }
            if is_special(&token) && !text.is_empty() {
                specials.push(SpecialToken { text: text.to_owned(), id });
            }
        }
        // The longest first: of two tokens that begin at one place the tokenizer takes the longer.
        specials.sort_by_key(|s| std::cmp::Reverse(s.text.len()));
        let mut starts: Vec<char> = specials.iter().filter_map(|s| s.text.chars().next()).collect();
        starts.sort_unstable();
        starts.dedup();
        let mut tokenizer =
            Self { place, json, inner, escaping: OnceLock::new(), specials, starts, anchor: None };
        tokenizer.anchor = tokenizer.find_anchor();
        Ok(tokenizer)
    }

    /// The id of a token by its text.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.inner.token_to_id(text)
    }

    /// Number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Where special tokens stand in a text (byte ranges) and which, leftmost first, the longest at each place.
    pub fn find_specials(&self, text: &str) -> Vec<(Range<usize>, &SpecialToken)> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..)
            && let Some(offset) = rest.find(self.starts.as_slice())
        {
            let start = at + offset;
            let rest = text.get(start..).unwrap_or_default();
            at = match self.specials.iter().find(|s| rest.starts_with(&s.text)) {
                Some(special) => {
                    found.push((start..start + special.text.len(), special));
                    start + special.text.len()
                }
                None => start + rest.chars().next().map_or(1, char::len_utf8),
            };
        }
        found
    }

    /// Where special tokens stand in a text.
    pub fn special_ranges(&self, text: &str) -> Vec<Range<usize>> {
        self.find_specials(text).into_iter().map(|(range, _)| range).collect()
    }

    /// Ids of a text in which only the special tokens at `acting` (sorted byte ranges) are tokens; elsewhere they are
    /// ordinary text. If all act, these are exactly the tokenizer's ids (`add_special_tokens=False`).
    pub fn encode(&self, text: &str, acting: &[Range<usize>]) -> Result<Encoded> {
        if self.special_ranges(text) == acting {
            return self.run(&self.inner, text);
        }
        let escaping = self
            .escaping
            .get_or_init(|| escaped(&self.json).and_then(|json| build(&json)))
            .as_ref()
            .map_err(|e| self.failed(e))?;
        // Each acting token is written as a name no text can hold; what users typed is no token in this tokenizer.
        let mut written = String::with_capacity(text.len() + 64);
        let mut pieces: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        let mut put = |from: Range<usize>, new: &str| {
            let start = written.len();
            written.push_str(new);
            pieces.push((start..written.len(), from));
        };
        let mut at = 0;
        for range in acting {
            let name = text.get(range.clone()).and_then(|t| self.specials.iter().find(|s| s.text == t));
            let name = name.ok_or_else(|| self.failed("a special token is not where it was"))?;
            put(at..range.start, text.get(at..range.start).unwrap_or_default());
            put(range.clone(), &sentinel(name.id));
            at = range.end;
        }
        put(at..text.len(), text.get(at..).unwrap_or_default());
        let mut encoded = self.run(escaping, &written)?;
        let tokens = encoded.ids.iter().filter(|id| self.specials.iter().any(|s| s.id == **id)).count();
        if tokens != acting.len() {
            return Err(self.failed("a special token typed as text could not be escaped"));
        }
        for range in &mut encoded.ranges {
            *range = (original(&pieces, range.0, false), original(&pieces, range.1, true));
        }
        Ok(encoded)
    }

    fn run(&self, inner: &Inner, text: &str) -> Result<Encoded> {
        let encoding = inner.encode(text, false).map_err(|e| self.failed(e))?;
        Ok(Encoded { ids: encoding.get_ids().to_vec(), ranges: encoding.get_offsets().to_vec() })
    }

    /// Text of ids, special tokens kept, nothing cleaned up.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false).map_err(|e| self.failed(e))
    }

    /// Text of ids as it stands after other text: decoders that drop a leading space keep it here.
    pub fn decode_after(&self, ids: &[u32]) -> Result<String> {
        let Some((anchor, prefix)) = &self.anchor else { return self.decode(ids) };
        let with: Vec<u32> = std::iter::once(*anchor).chain(ids.iter().copied()).collect();
        let text = self.decode(&with)?;
        match text.strip_prefix(prefix) {
            Some(text) => Ok(text.to_owned()),
            None => self.decode(ids),
        }
    }

    /// Ids of a text as it stands after other text (tokenizers of the SentencePiece kind put a space before a text that
    /// stands alone). Special tokens in it are ordinary text unless `act`.
    pub fn encode_after(&self, text: &str, act: bool) -> Result<Vec<u32>> {
        let encode = |text: &str| {
            let acting = if act { self.special_ranges(text) } else { Vec::new() };
            Ok::<_, Error>(self.encode(text, &acting)?.ids)
        };
        let alone = encode(text)?;
        if self.decode_after(&alone)? == text {
            return Ok(alone);
        }
        if let Some(special) = self.specials.first() {
            let prefix = special.text.len();
            let mut acting: Vec<Range<usize>> = std::iter::once(0..prefix).collect();
            if act {
                acting
                    .extend(self.special_ranges(text).into_iter().map(|r| r.start + prefix..r.end + prefix));
            }
            let after = self.encode(&format!("{}{text}", special.text), &acting)?.ids;
            if let Some((first, rest)) = after.split_first()
                && *first == special.id
                && self.decode_after(rest)? == text
            {
                return Ok(rest.to_vec());
            }
        }
        if let Some(bare) = text.strip_prefix(' ') {
            let ids = encode(bare)?;
            if self.decode_after(&ids)? == text {
                return Ok(ids);
            }
        }
        Ok(alone)
    }

    /// An ordinary token to decode others behind, for decoders that treat the first token apart.
    fn find_anchor(&self) -> Option<(u32, String)> {
        let id = *self.run(&self.inner, "a").ok()?.ids.last()?;
        let text = self.decode(&[id]).ok()?;
        // Not needed if the decoder treats every token alike.
        let probe = self.run(&self.inner, "a b").ok()?.ids;
        let all = self.decode(&probe).ok()?;
        let parts: Option<String> = probe.iter().map(|id| self.decode(&[*id]).ok()).collect();
        (parts? != all).then_some((id, text))
    }

    fn failed(&self, error: impl std::fmt::Display) -> Error {
        Error::invalid(
            &self.place,
            format!("a failure of the tokenizer: {error}"),
            "a tokenizer that accepts every text",
            "Change the text, or report this with the tokenizer.",
        )
    }
}

/// Byte position in the original text of a position in the rewritten one; at a seam `end` picks the piece before.
fn original(pieces: &[(Range<usize>, Range<usize>)], at: usize, end: bool) -> usize {
    let piece = pieces
        .iter()
        .find(|(new, _)| if end { at > new.start && at <= new.end } else { at >= new.start && at < new.end });
    match piece {
        None => pieces.last().filter(|_| at > 0).map_or(0, |(_, old)| old.end),
        Some((new, old)) if new.len() == old.len() => old.start + (at - new.start),
        Some((new, old)) => {
            if at == new.start {
                old.start
            } else {
                old.end
            }
        }
    }
}

fn build(json: &[u8]) -> Result<Inner, String> {
    // tokenizers 0.23 panics on some malformed decoders (decoders/mod.rs); a file must not bring the program down.
    let mut inner = std::panic::catch_unwind(|| Inner::from_bytes(json))
        .map_err(|_panic| "a part that the tokenizers library cannot read".to_owned())?
        .map_err(|e| e.to_string())?;
    inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
    inner.with_truncation(None).map_err(|e| e.to_string())?;
    inner.with_padding(None);
    Ok(inner)
}

fn added(json: &[u8]) -> Vec<Value> {
    #[derive(serde::Deserialize)]
    struct Added {
        #[serde(default)]
        added_tokens: Vec<Value>,
    }
    serde_json::from_slice(json).map_or_else(|_| Vec::new(), |a: Added| a.added_tokens)
}

fn id_of(token: &Value) -> Option<u32> {
    token.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok())
}

fn is_special(token: &Value) -> bool {
    token.get("special").and_then(Value::as_bool).unwrap_or(false)
}

/// A name for a special token that no text holds: noncharacters around its id.
fn sentinel(id: u32) -> String {
    format!("\u{10fffe}{id}\u{10ffff}")
}

/// The same tokenizer with its special tokens renamed, in the list of added tokens and in the vocabulary, ids unchanged.
fn escaped(json: &[u8]) -> Result<Vec<u8>, String> {
    let mut root: Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let mut names: Vec<(String, String)> = Vec::new();
    for token in root.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten() {
        let (Some(id), true) = (id_of(token), is_special(token)) else { continue };
        let Some(fields) = token.as_object_mut() else { continue };
        if let Some(Value::String(old)) = fields.insert("content".into(), sentinel(id).into()) {
            names.push((old, sentinel(id)));
        }
        fields.insert("normalized".into(), false.into());
    }
    let model = root.get_mut("model");
    if let Some(model) = model.and_then(Value::as_object_mut) {
        match model.get_mut("vocab") {
            Some(Value::Object(vocab)) => {
                for (old, new) in &names {
                    if let Some(id) = vocab.swap_remove(old) {
                        vocab.insert(new.clone(), id);
                    }
                }
            }
            Some(Value::Array(pieces)) => {
                for piece in pieces.iter_mut().filter_map(|p| p.get_mut(0)) {
                    if let Some((_, new)) = names.iter().find(|(old, _)| piece.as_str() == Some(old)) {
                        *piece = new.clone().into();
                    }
                }
            }
            _ => {}
        }
        if let Some(unknown) = model.get_mut("unk_token")
            && let Some((_, new)) = names.iter().find(|(old, _)| unknown.as_str() == Some(old))
        {
            *unknown = new.clone().into();
        }
    }
    serde_json::to_vec(&root).map_err(|e| e.to_string())
}
