//! Keys, values and hidden states of tokens already computed: a path of spans over shared, append-only segments.
//!
//! A fork shares segments and copies nothing. A cache writes into its last segment only where no other cache has
//! written (the segment's watermark, claimed atomically) and never over a written place that another cache could see.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// More spans than this are merged, so that attention reads few long runs of memory.
const MAX_SPANS: usize = 16;
/// Segments opened by appending a few tokens at a time grow up to this many tokens.
const MAX_GROWTH: usize = 512;
const ROUNDING: usize = 16;

static NEXT_ID: AtomicUsize = AtomicUsize::new(0);

/// What the caches of one model have in common.
#[derive(Debug)]
pub(super) struct CacheShape {
    pub layers: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub hidden: usize,
    pub dtype: DType,
    pub device: Device,
}

impl CacheShape {
    fn bytes(&self, capacity: usize) -> usize {
        let per_token = self.layers * 2 * self.kv_heads * self.head_dim + self.hidden;
        per_token * capacity * self.dtype.size_in_bytes()
    }
}

/// Room for `capacity` tokens; places below `filled` are written and never change again while shared.
#[derive(Debug)]
struct Segment {
    id: usize,
    capacity: usize,
    filled: AtomicUsize,
    /// `[layers * 2 * kv_heads, capacity, head_dim]`: for each layer all key heads, then all value heads.
    kv: Tensor,
    /// `[capacity, hidden]`, after the final norm.
    hidden: Tensor,
}

impl Segment {
    fn new(shape: &CacheShape, capacity: usize) -> Result<Self> {
        let planes = shape.layers * 2 * shape.kv_heads;
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            capacity,
            filled: AtomicUsize::new(0),
            kv: Tensor::zeros((planes, capacity, shape.head_dim), shape.dtype, &shape.device)?,
            hidden: Tensor::zeros((capacity, shape.hidden), shape.dtype, &shape.device)?,
        })
    }
}

/// Tokens `0..len` of a segment.
#[derive(Clone, Debug)]
struct Span {
    segment: Arc<Segment>,
    len: usize,
}

/// Some cached tokens, to be read.
pub(super) struct SpanView<'a> {
    /// Of the segment.
    pub id: usize,
    /// `[layers * 2 * kv_heads, capacity, head_dim]`.
    pub kv: &'a Tensor,
    pub capacity: usize,
    /// How many tokens count.
    pub len: usize,
}

/// The keys, values and final hidden states of one row's first [`KvCache::len`] tokens.
#[derive(Debug)]
pub struct KvCache {
    shape: Arc<CacheShape>,
    spans: Vec<Span>,
    len: usize,
    reserved: usize,
}

impl KvCache {
    pub(super) fn new(shape: Arc<CacheShape>) -> Self {
        Self { shape, spans: Vec::new(), len: 0, reserved: 0 }
    }

    /// Tokens in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no token in the cache.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Another cache with the same tokens; shares their memory and copies none of it.
    pub fn fork(&self) -> Self {
        Self { shape: self.shape.clone(), spans: self.spans.clone(), len: self.len, reserved: 0 }
    }

    /// Forgets all but the first `len` tokens; nothing happens when there are no more than that.
    pub fn truncate(&mut self, len: usize) {
        while self.len > len {
            let Some(last) = self.spans.last_mut() else { break };
            let excess = self.len - len;
            if last.len > excess {
                last.len -= excess;
                self.len = len;
            } else {
                self.len -= last.len;
                self.spans.pop();
            }
        }
    }

    /// Says that about `tokens` more tokens will be appended, so that they come to lie in one piece.
    pub fn reserve(&mut self, tokens: usize) {
        self.reserved = tokens;
    }

    /// The final hidden states of tokens `from..to`: `[to - from, hidden]`.
    ///
    /// # Errors
    /// [`Error::Usage`] when the cache holds no such tokens.
    pub fn hidden(&self, from: usize, to: usize) -> Result<Tensor> {
        if from > to || to > self.len {
            return Err(Error::Usage(format!(
                "hidden states {from}..{to} were asked of a cache of {} tokens",
                self.len
            )));
        }
        let mut parts = Vec::new();
        let mut start = 0;
        for span in &self.spans {
            let (a, b) = (from.max(start), to.min(start + span.len));
            if a < b {
                parts.push(span.segment.hidden.narrow(0, a - start, b - a)?);
            }
            start += span.len;
        }
        match parts.as_slice() {
            // A copy, so that the result never changes with the segment.
            [] => Ok(Tensor::zeros((0, self.shape.hidden), self.shape.dtype, &self.shape.device)?),
            [one] => Ok(one.copy()?),
            _ => Ok(Tensor::cat(&parts, 0)?),
        }
    }

    /// The segments this cache holds on to: identity (unique in the process) and bytes. Forks share them.
    pub fn segments(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.spans.iter().map(|s| (s.segment.id, self.shape.bytes(s.segment.capacity)))
    }

    /// The stored keys and values, first tokens first.
    pub(super) fn spans(&self) -> impl Iterator<Item = SpanView<'_>> {
        self.spans.iter().map(|s| SpanView {
            id: s.segment.id,
            capacity: s.segment.capacity,
            len: s.len,
            kv: &s.segment.kv,
        })
    }

    /// Appends the first `n` tokens of `kv` (`[layers * 2 * kv_heads, >= n, head_dim]`) and `hidden` (`[>= n, H]`).
    /// The cache is unchanged when this fails.
    pub(super) fn append(&mut self, kv: &Tensor, hidden: &Tensor, n: usize) -> Result<()> {
        if n == 0 {
            return Ok(());
        }
        let here = self.claim(n);
        let (segment, offset) = match here {
            Some(place) => place,
            None => {
                if self.spans.len() >= MAX_SPANS {
                    self.merge(MAX_SPANS / 2)?;
                }
                let segment = Segment::new(&self.shape, self.next_capacity(n))?;
                segment.filled.store(n, Ordering::Release);
                (Arc::new(segment), 0)
            }
        };
        segment.kv.slice_set(&kv.narrow(1, 0, n)?.contiguous()?, 1, offset)?;
        segment.hidden.slice_set(&hidden.narrow(0, 0, n)?.contiguous()?, 0, offset)?;
        match self.spans.last_mut() {
            Some(last) if offset > 0 => last.len += n,
            _ => self.spans.push(Span { segment, len: n }),
        }
        self.len += n;
        self.reserved = self.reserved.saturating_sub(n);
        Ok(())
    }

    /// The last segment and the first of `n` free places right after this cache's end, now this cache's own.
    fn claim(&mut self, n: usize) -> Option<(Arc<Segment>, usize)> {
        let last = self.spans.last_mut()?;
        let (start, end) = (last.len, last.len + n);
        if end > last.segment.capacity {
            return None;
        }
        if let Some(alone) = Arc::get_mut(&mut last.segment) {
            *alone.filled.get_mut() = end;
        } else {
            let filled = &last.segment.filled;
            filled.compare_exchange(start, end, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        }
        Some((last.segment.clone(), start))
    }

    fn next_capacity(&self, n: usize) -> usize {
        let grown = match self.spans.last() {
            // A segment this cache has filled to the brim: more will come.
            Some(last) if last.len == last.segment.capacity => (2 * last.len).min(MAX_GROWTH),
            _ => 0,
        };
        n.max(grown).max(self.reserved).next_multiple_of(ROUNDING)
    }

    /// Copies all spans from the `first`th on into one segment of this cache alone.
    fn merge(&mut self, first: usize) -> Result<()> {
        let tail = self.spans.get(first..).unwrap_or_default();
        let kv = tail.iter().map(|s| s.segment.kv.narrow(1, 0, s.len)).collect::<Result<Vec<_>, _>>()?;
        let hidden =
            tail.iter().map(|s| s.segment.hidden.narrow(0, 0, s.len)).collect::<Result<Vec<_>, _>>()?;
        let len = tail.iter().map(|s| s.len).sum();
        let segment = Segment::new(&self.shape, usize::next_multiple_of(len, ROUNDING))?;
        segment.kv.slice_set(&Tensor::cat(&kv, 1)?, 1, 0)?;
        segment.hidden.slice_set(&Tensor::cat(&hidden, 0)?, 0, 0)?;
        segment.filled.store(len, Ordering::Release);
        self.spans.truncate(first);
        self.spans.push(Span { segment: Arc::new(segment), len });
        Ok(())
    }
}
