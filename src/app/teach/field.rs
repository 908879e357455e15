//! The settings of the Train dialog: their names, what can be chosen, what they are for.

/// Settings of the dialog, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The recipe.
    Recipe,
    /// All weights, or low-rank products beside them.
    Weights,
    /// Their rank.
    Rank,
    /// The starting model.
    Model,
    /// Rows to learn from.
    Data,
    /// Share of the prompts held out.
    HeldOut,
    /// Passes over the rows.
    Epochs,
    /// Steps, in place of passes.
    Steps,
    /// Peak learning rate.
    Rate,
    /// Where to compute.
    Device,
    /// By which launcher.
    Launcher,
    /// Values for it.
    Set,
    /// At once, or when the device is free.
    When,
    /// Name of the run.
    Name,
    /// Further words.
    More,
}

/// All fields.
pub const FIELDS: [Field; 15] = [
    Field::Recipe,
    Field::Weights,
    Field::Rank,
    Field::Model,
    Field::Data,
    Field::HeldOut,
    Field::Epochs,
    Field::Steps,
    Field::Rate,
    Field::Device,
    Field::Launcher,
    Field::Set,
    Field::When,
    Field::Name,
    Field::More,
];

impl Field {
    /// As the dialog names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Recipe => "recipe",
            Self::Weights => "weights",
            Self::Rank => "rank",
            Self::Model => "model",
            Self::Data => "rows",
            Self::HeldOut => "held out",
            Self::Epochs => "epochs",
            Self::Steps => "steps",
            Self::Rate => "rate",
            Self::Device => "device",
            Self::Launcher => "where",
            Self::Set => "values",
            Self::When => "when",
            Self::Name => "name",
            Self::More => "more",
        }
    }

    /// What can be chosen; empty where text is typed.
    pub fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Recipe => &["cloud", "csft", "classic", "cloud-onpolicy"],
            Self::Weights => &["LoRA", "full"],
            Self::Device => &["auto", "cpu", "cuda", "metal"],
            Self::When => &["when the device is free", "now"],
            _ => &[],
        }
    }

    /// What it is for.
    pub fn about(self) -> &'static str {
        match self {
            Self::Recipe => {
                "cloud: critiques and rewards · csft: critiques only · classic: rewards only · cloud-onpolicy: csft, then cloud on its own critiques"
            }
            Self::Weights => {
                "LoRA: low-rank products beside frozen weights, and the head in full; the result is an adapter"
            }
            Self::Rank => "of the low-rank products; 16 is usual",
            Self::Model => "a checkpoint folder, demo, or a result/ of another run",
            Self::Data => {
                "a file of rows; `labels`: those of this session; `chosen`: what was chosen in Data or Label; `stories:N`: N rows of the demo's stories"
            }
            Self::HeldOut => "share of the prompts (by their hash) that are only looked at; 0: none",
            Self::Epochs => "passes over the rows",
            Self::Steps => "in place of epochs; empty: as many as the epochs need",
            Self::Rate => "peak learning rate; empty: the recipe's (1e-5, LoRA 1e-4)",
            Self::Device => "where it computes",
            Self::Launcher => {
                "how it is started: each is a small TOML file, and yours in `launchers/` count too"
            }
            Self::Set => {
                "for the launcher: NAME=VALUE ..., a value with spaces in quotes, such as options='--gres=gpu:1 -p big'"
            }
            Self::When => "runs that wait start one after the other",
            Self::Name => "of the run's folder",
            Self::More => "further words of `outloud train`, such as --config FILE --seed 3 --eval-every 20",
        }
    }
}
