//! A state, the scripted engine and a screen, moved by keys.

use std::collections::VecDeque;
use std::time::Duration;

use outloud::app::{self, Effect, Example, Keymap, Msg, Origin, State};
use outloud::browse::Worker;
use outloud::checkpoint::Spec;
use outloud::engine::fake::{Recording, Script};
use outloud::engine::{DeviceChoice, Event, ModelSource, Request, Ticket};
use outloud::rows::Reader;
use outloud::screens;
use outloud::widgets::{Depth, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub fn recordings() -> Vec<Recording> {
    serde_json::from_str(include_str!("recordings.json")).unwrap()
}

pub fn spec() -> Spec {
    serde_json::from_str(include_str!("spec.json")).unwrap()
}

pub struct Stage {
    pub state: State,
    pub script: Script,
    queue: VecDeque<Event>,
    pub requests: Vec<Request>,
    pub cancelled: Vec<Ticket>,
    pub kept: Vec<(app::TakeId, app::Change)>,
    pub quit: bool,
    /// What went to the clipboard.
    pub copied: Vec<(String, String)>,
    /// The rows of the Data screen, and their file.
    pub rows: Option<Worker>,
    pub file: Option<tempfile::NamedTempFile>,
    /// What the loop would have done.
    pub effects: Vec<Effect>,
    clock: Duration,
}

impl Stage {
    /// The examples that were recorded; the model is asked for, nothing is answered yet.
    pub fn demo() -> Self {
        let rows = Reader::over("examples.jsonl", include_bytes!("examples.jsonl").as_slice());
        Self::on(rows.map(|row| Example::from_row(row.unwrap(), Origin::Demo)).collect())
    }

    pub fn on(examples: Vec<Example>) -> Self {
        let keymap = Keymap::built_in().unwrap();
        let (state, effects) = app::start(keymap, ModelSource::DEMO, DeviceChoice::Cpu, examples);
        let script = Script::new(spec(), recordings());
        let mut stage = Self {
            state,
            script,
            queue: VecDeque::new(),
            requests: Vec::new(),
            cancelled: Vec::new(),
            kept: Vec::new(),
            quit: false,
            copied: Vec::new(),
            rows: None,
            file: None,
            effects: Vec::new(),
            clock: Duration::ZERO,
        };
        stage.carry_out(effects);
        stage
    }

    /// The model is there and the first critique complete.
    pub fn finished() -> Self {
        let mut stage = Self::demo();
        stage.play();
        stage
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(request) => {
                    self.queue.extend(self.script.answer(&request));
                    self.requests.push(*request);
                }
                Effect::Cancel(ticket) => {
                    self.cancelled.push(ticket);
                    // What was under way still arrives, as it does from a real engine.
                    self.queue.extend([Event::Cancelled { ticket }, Event::Done { ticket }]);
                }
                Effect::Browse(ask) => {
                    let news = self.rows.as_mut().map(|rows| rows.hear(*ask)).unwrap_or_default();
                    for news in news {
                        self.send(Msg::Data(Box::new(news)));
                    }
                }
                Effect::Quit => self.quit = true,
                Effect::Copy(what, text) => self.copied.push((what, text)),
                Effect::Keep(id, change) => self.kept.push((id, change)),
                other => self.effects.push(other),
            }
        }
    }

    pub fn send(&mut self, msg: Msg) -> &mut Self {
        let effects = app::update(&mut self.state, msg);
        self.carry_out(effects);
        self
    }

    /// Delivers the next `count` engine events, 10 ms apart.
    pub fn step(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            let Some(event) = self.queue.pop_front() else { break };
            self.clock += Duration::from_millis(10);
            self.send(Msg::Clock(self.clock));
            self.send(Msg::Engine(event));
        }
        self
    }

    /// The rows' thread works until nothing is left.
    pub fn work(&mut self) -> &mut Self {
        while let Some(rows) = self.rows.as_mut().filter(|rows| !rows.is_idle()) {
            for news in rows.work() {
                self.send(Msg::Data(Box::new(news)));
            }
        }
        self
    }

    /// Time passes without keys or events.
    pub fn rest(&mut self, milliseconds: u64) -> &mut Self {
        self.clock += Duration::from_millis(milliseconds);
        self.send(Msg::Clock(self.clock))
    }

    /// Delivers all engine events.
    pub fn play(&mut self) -> &mut Self {
        while !self.queue.is_empty() {
            self.step(1);
        }
        self
    }

    /// Presses keys, as the key map writes them, separated by spaces; `'text'` is typed.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for word in keys.split(' ').filter(|w| !w.is_empty()) {
            match word.strip_prefix('\'').and_then(|w| w.strip_suffix('\'')) {
                Some(text) => {
                    for c in text.replace('_', " ").chars() {
                        self.send(Msg::Key(app::Key::char(c)));
                    }
                }
                None => drop(self.send(Msg::Key(word.parse().unwrap()))),
            }
            self.draw(80, 24, Depth::None);
        }
        self
    }

    /// Draws, and tells the state how far things can be scrolled, as the loop does.
    pub fn draw(&mut self, width: u16, height: u16, depth: Depth) -> Buffer {
        let theme = Theme::built_in("dark", depth).unwrap();
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let limits = screens::draw(&self.state, &theme, area, &mut buffer);
        self.send(Msg::Limits(limits));
        buffer
    }

    /// The screen's text.
    pub fn text(&mut self, width: u16, height: u16) -> String {
        text(&self.draw(width, height, Depth::None))
    }
}

/// The text of a buffer, wide characters once.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut skip = 0;
        let mut row = String::new();
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                row.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}
