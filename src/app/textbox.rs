//! A text that is typed into: a text area in which one action of the user is one step of undo, whatever it took.

use ratatui_textarea::{CursorMove, Input, Key, TextArea};

/// Steps of undo that are remembered.
const HISTORY: usize = 10_000;

/// A text with its cursor, selection and history.
#[derive(Clone, Debug)]
pub struct TextBox {
    area: TextArea<'static>,
    /// How many changes of the area each action was.
    actions: Vec<usize>,
    /// Actions that are not undone.
    done: usize,
}

impl TextBox {
    /// Begins with a text, the cursor at its end.
    pub fn new(text: &str) -> Self {
        let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
        area.set_max_histories(HISTORY);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self { area, actions: Vec::new(), done: 0 }
    }

    /// What is drawn: lines, cursor, selection.
    pub fn area(&self) -> &TextArea<'static> {
        &self.area
    }

    /// The text as it stands.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// The text before the cursor.
    pub fn before(&self) -> String {
        let at = self.area.cursor();
        let (row, column) = (at.0, at.1);
        let mut text: String =
            self.area.lines().iter().take(row).flat_map(|line| [line.as_str(), "\n"]).collect();
        text.extend(self.area.lines().get(row).into_iter().flat_map(|line| line.chars().take(column)));
        text
    }

    /// Whether anything is selected.
    pub fn selects(&self) -> bool {
        self.area.selection_range().is_some_and(|(from, to)| from != to)
    }

    /// Puts the cursor before a character of a line, counted from 0; `select`: what lies between is selected.
    pub fn go_to(&mut self, row: usize, column: usize, select: bool) {
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        match (select, self.area.is_selecting()) {
            (true, false) => self.area.start_selection(),
            (false, _) => self.area.cancel_selection(),
            (true, true) => {}
        }
        self.area.move_cursor(CursorMove::Jump(short(row), short(column)));
    }

    /// A key as the area knows it.
    pub fn input(&mut self, input: Input) {
        match (&input.key, input.ctrl, input.alt) {
            (Key::Char('u'), true, _) => drop(self.undo()),
            (Key::Char('r'), true, _) => drop(self.redo()),
            (Key::Char('m' | 'y'), true, _) | (Key::Enter | Key::Tab, ..) | (Key::Char(_), false, false) => {
                let deleted = self.delete_selected();
                let typed = self.area.input(input);
                self.did(usize::from(deleted) + usize::from(typed));
            }
            _ => {
                let changed = self.area.input(input);
                self.did(usize::from(changed));
            }
        }
    }

    /// Puts a text at the cursor, in place of what is selected.
    pub fn insert(&mut self, text: &str) {
        let deleted = self.delete_selected();
        let inserted = !text.is_empty() && self.area.insert_str(text);
        self.did(usize::from(deleted) + usize::from(inserted));
    }

    /// Puts another text in place of all of it.
    pub fn replace(&mut self, text: &str) {
        self.area.cancel_selection();
        self.area.move_cursor(CursorMove::Top);
        self.area.move_cursor(CursorMove::Head);
        let deleted = self.area.delete_str(self.text().chars().count());
        let inserted = !text.is_empty() && self.area.insert_str(text);
        self.did(usize::from(deleted) + usize::from(inserted));
    }

    /// Takes what is selected out, to be put in again; false when nothing is.
    pub fn cut(&mut self) -> bool {
        let cut = self.area.cut();
        self.did(usize::from(cut));
        cut
    }

    /// Takes a copy of what is selected, to be put in again.
    pub fn copy(&mut self) -> Option<String> {
        self.selects().then(|| {
            self.area.copy();
            self.area.yank_text()
        })
    }

    /// Puts in what was cut or copied.
    pub fn paste(&mut self) -> bool {
        let text = self.area.yank_text();
        self.insert(&text);
        !text.is_empty()
    }

    /// Selects everything.
    pub fn select_all(&mut self) {
        self.area.select_all();
    }

    /// Takes the last action back.
    pub fn undo(&mut self) -> bool {
        let Some(steps) = self.done.checked_sub(1).and_then(|at| self.actions.get(at)) else { return false };
        self.done -= 1;
        // Of the oldest one, part may be forgotten.
        (0..*steps).filter(|_| self.area.undo()).count() > 0
    }

    /// Does again what was taken back.
    pub fn redo(&mut self) -> bool {
        let Some(steps) = self.actions.get(self.done) else { return false };
        self.done += 1;
        (0..*steps).filter(|_| self.area.redo()).count() > 0
    }

    /// Deletes what is selected, as a change of its own.
    fn delete_selected(&mut self) -> bool {
        self.selects() && self.area.delete_next_char()
    }

    fn did(&mut self, changes: usize) {
        if changes > 0 {
            self.actions.truncate(self.done);
            self.actions.push(changes);
            self.done = self.actions.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char) -> Input {
        Input { key: Key::Char(c), ..Input::default() }
    }

    #[test]
    fn over_a_selection_an_action_is_one_undo() {
        let puts: [fn(&mut TextBox); 3] = [
            |text| text.insert("a\nb"),
            |text| text.input(key('x')),
            |text| text.input(Input { key: Key::Enter, ..Input::default() }),
        ];
        for put in puts {
            let mut all = TextBox::new("one\ntwo");
            all.select_all();
            put(&mut all);
            let after = all.text();
            assert_ne!(after, "one\ntwo");
            assert!(all.undo());
            assert_eq!(all.text(), "one\ntwo");
            assert!(!all.undo(), "nothing before it");
            assert!(all.redo());
            assert_eq!(all.text(), after);
            assert!(!all.redo());
        }
    }

    #[test]
    fn a_new_action_forgets_what_was_undone() {
        let mut text = TextBox::new("");
        for c in "abc".chars() {
            text.input(key(c));
        }
        assert!(text.undo() && text.undo());
        text.replace("other");
        assert!(!text.redo());
        assert_eq!(text.text(), "other");
        assert!(text.undo());
        assert_eq!(text.text(), "a");
        text.replace("");
        assert_eq!(text.text(), "");
        assert!(text.undo() && text.undo());
        assert_eq!(text.text(), "");
    }

    #[test]
    fn the_mouse_selects_between_where_it_went_down_and_where_it_is() {
        let mut text = TextBox::new("one two\nthree");
        text.go_to(0, 4, false);
        text.go_to(1, 2, true);
        assert!(text.selects());
        text.insert("X");
        assert_eq!(text.text(), "one Xree");
        text.go_to(0, 99, false);
        assert!(!text.selects());
        assert_eq!(text.before(), "one Xree");
    }
}
