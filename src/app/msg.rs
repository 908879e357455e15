//! What happened, and what is to be done about it.

use std::time::Duration;

use super::{Change, Example, Focus, Kept, Key, Limits, TakeId, Target};
use crate::browse::{Ask, News};
use crate::engine::{Event, Request, Ticket};
use crate::session::{Draft, Entry, EventId, Pen};

/// What happened.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, moved once")]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse wheel turned over a pane; positive is down.
    Scroll(Option<Focus>, i32),
    /// A cell was clicked: the pane it lies in, and what stands there.
    Click(Option<Focus>, Option<Target>),
    /// The mouse was drawn, pressed, to what stands there.
    Drag(Target),
    /// A cell of the terminal was clicked, where panes are not those of Inspect.
    Press(u16, u16),
    /// The thread of the rows told something.
    Data(Box<News>),
    /// Examples were read.
    Examples(Vec<Example>),
    /// The thread that looks after runs told something.
    Runs(Box<super::teach::News>),
    /// The engine told something.
    Engine(Event),
    /// The engine could not take a request.
    Refused(Ticket, String),
    /// Time since the start.
    Clock(Duration),
    /// The terminal's new size, in cells.
    Size(u16, u16),
    /// How far things can be scrolled now.
    Limits(Limits),
    /// Something to be told in the bottom line.
    Note(String),
    /// What a session holds.
    Kept(Box<Kept>),
    /// How saving goes: events that are not on the disk yet, and why if that is an error.
    Saving(usize, Option<String>),
    /// A session is there: what names this annotator's events. Its journals are being read.
    Session(Pen),
    /// Events of the session that have a say in labels; `true`: all there were are read now.
    Journal(Vec<Entry>, bool),
    /// A take's name in the session, for the label that takes it over.
    Adopted(TakeId, Option<EventId>),
    /// A text to be shown in full, from its end: a title and the text.
    Page(String, String),
    /// Tokens of the critique on the screen that are there but not yet shown.
    Waiting(usize),
    /// A text came back from the user's editor.
    Edited(String),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Hand a request to the engine.
    Send(Box<Request>),
    /// Ask the thread that looks after runs.
    Runs(Box<super::teach::Ask>),
    /// Ask the thread of the rows.
    Browse(Box<Ask>),
    /// Stop a ticket.
    Cancel(Ticket),
    /// Give a text to the user's editor; it comes back as [`Msg::Edited`].
    EditOutside(String),
    /// A take has changed; whoever keeps takes looks at it.
    Keep(TakeId, Change),
    /// Ring the terminal's bell.
    Bell,
    /// Save an event.
    Write(Box<Draft>),
    /// Open the session of the data, where labels are kept.
    OpenSession,
    /// Say under which name the session knows a take; answered by [`Msg::Adopted`].
    NameOf(TakeId),
    /// Leave, and open again with another model.
    Reopen(std::path::PathBuf),
    /// Leave.
    Quit,
    /// Suspend to the shell.
    Suspend,
    /// Draw every cell again.
    Redraw,
    /// Show the tokens that wait for their time.
    ShowAll,
    /// Put a text on the clipboard; what it is, for the note.
    Copy(String, String),
    /// Take the next theme.
    NextTheme,
    /// Show the log; answered by [`Msg::Page`].
    ShowLog,
}
