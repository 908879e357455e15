//! What a key can mean. Names as in keymap.toml, in kebab-case.

use serde::{Deserialize, Serialize};

/// One thing a user can do; keymap.toml gives each its keys and its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "keymap.toml describes each; a test holds the two together")]
pub enum Action {
    RunOrStop,
    RunAgain,
    NextExample,
    PreviousExample,
    EditAnswer,
    NewExample,
    OtherSide,
    NextTake,
    PreviousTake,
    Biggest,
    Paint,
    Series,
    ErrorDetail,
    ModelDetail,
    Help,
    Palette,
    FocusNext,
    FocusPrevious,
    ShowInspect,
    Cancel,
    Close,
    Quit,
    Suspend,
    Redraw,
    Up,
    Down,
    Left,
    Right,
    NextWord,
    PreviousWord,
    PageUp,
    PageDown,
    First,
    Last,
    Submit,
    OtherField,
    Undo,
    Redo,
    Accept,
    Yes,
    No,
}
