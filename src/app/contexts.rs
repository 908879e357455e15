//! Where keys have a meaning now, and the palette's matches: questions about the state and the key map together.

use super::{Action, Binding, Context, Edit, Focus, Layer, Part, Screen, State};

impl State {
    /// Where keys have a meaning now, innermost first.
    pub fn contexts(&self) -> &'static [Context] {
        match (self.layers.last(), self.screen, self.focus) {
            (Some(Layer::Entry(_)), ..) => &[Context::Entry],
            (Some(Layer::Train(_)), ..) => &[Context::Train],
            (Some(Layer::Models(_)), ..) => &[Context::Models, Context::Global],
            (Some(Layer::Judged), ..) => &[Context::Judged, Context::Global],
            (Some(Layer::Edit(_) | Layer::Writing(_)), ..) => &[Context::Edit],
            (Some(Layer::Pairs(_)), ..) => &[Context::Pairs, Context::Global],
            (Some(Layer::Review(_)), ..) => &[Context::Review, Context::Global],
            (Some(Layer::Tags(..)), ..) => &[Context::Tags, Context::Global],
            (Some(Layer::Palette(_)), ..) => &[Context::Palette],
            (Some(Layer::Line(_)), ..) => &[Context::Line],
            (Some(Layer::Search(_)), ..) => &[Context::Search],
            (Some(Layer::Takes(_)), ..) => &[Context::Takes, Context::Global],
            (Some(Layer::Samples(_)), ..) => &[Context::Samples, Context::List, Context::Global],
            (Some(Layer::Steer(_) | Layer::Columns(_)), ..) => &[Context::List, Context::Global],
            (Some(Layer::Quit(_)), ..) => &[Context::Confirm],
            (Some(Layer::Help(_) | Layer::Detail(..) | Layer::Guidelines(_)), ..) => &[Context::Global],
            (None, screen, focus) => Self::screen_contexts(screen, focus),
        }
    }

    /// The contexts of a screen without layers.
    pub fn screen_contexts(screen: Screen, focus: Focus) -> &'static [Context] {
        match (screen, focus) {
            (Screen::Teach, _) => &[Context::Teach, Context::Global],
            (Screen::Data, _) => &[Context::Data, Context::Global],
            (Screen::Label, _) => &[Context::Label, Context::Global],
            (Screen::Compare, _) => &[Context::Compare, Context::Global],
            (Screen::Inspect, Focus::Critique) => &[Context::Critique, Context::Inspect, Context::Global],
            (Screen::Inspect, _) => &[Context::Inspect, Context::Global],
        }
    }

    /// The text that is being edited in its pane, if it is this one.
    pub fn edit_of(&self, parts: &[Part]) -> Option<&Edit> {
        let edit = self.layers.iter().find_map(|layer| match layer {
            Layer::Edit(edit) => Some(edit),
            _ => None,
        });
        edit.map(AsRef::as_ref).filter(|edit| parts.contains(&edit.part))
    }

    /// The palette's matches for what was typed: every action once, best first.
    pub fn palette(&self, query: &str) -> Vec<&Binding> {
        let mut seen = Vec::<Action>::new();
        let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
        // With the critique's own, whatever pane has the focus.
        self.keymap
            .of(Self::screen_contexts(self.screen, Focus::Critique))
            .into_iter()
            .filter(|b| !matches!(b.action, Action::Palette | Action::Cancel))
            .filter(|b| {
                let text = format!("{} {}", b.name, b.desc).to_lowercase();
                words.iter().all(|w| text.contains(w.as_str()))
            })
            .filter(|b| {
                let new = !seen.contains(&b.action);
                seen.push(b.action);
                new
            })
            .collect()
    }
}
