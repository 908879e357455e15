//! Progress on standard error, drawn only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Event;

/// Rows done, rows failed, and what the engine is at.
pub struct Progress {
    bar: ProgressBar,
    failed: usize,
    tokens: usize,
}

impl Progress {
    /// Begins with the model being loaded.
    pub fn loading(model: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(format!("loading {}", super::visible(model)));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, failed: 0, tokens: 0 }
    }

    /// The model is there; rows follow.
    pub fn start(&self) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} rows, {per_sec}, {elapsed} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.reset();
        self.bar.set_message("");
    }

    /// The engine said something.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Token { .. } => {
                self.tokens += 1;
                self.show(None);
            }
            Event::Prefill { done, total, .. } => self.show(Some((*done, *total))),
            _ => {}
        }
    }

    /// A row is done.
    pub fn row(&mut self, good: bool) {
        self.bar.inc(1);
        if !good {
            self.failed += 1;
            self.show(None);
        }
    }

    /// Rows that failed.
    pub fn failed(&self) -> usize {
        self.failed
    }

    fn show(&self, prompt: Option<(usize, usize)>) {
        if self.bar.is_hidden() {
            return;
        }
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        if self.tokens > 0 {
            parts.push(format!("{} tokens", self.tokens));
        }
        if let Some((done, total)) = prompt {
            parts.push(format!("prompt {done}/{total}"));
        }
        self.bar.set_message(parts.join(", "));
    }

    /// Prints a message above the bar.
    pub fn say(&self, message: &str) {
        self.bar.suspend(|| super::say(message));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
