//! Runs as jobs: starting them here or elsewhere, finding them again, asking things of them, letting them wait for a device.
//!
//! Owns: launchers (templates, `launchers/*.toml`), the list of runs this user started, the queue of each device. A run itself
//! is `train`'s; its folder (status.json, metrics.jsonl, log, request) is all that is known of it. Never imports the screen.
//!
//! ```text
//! words of `outloud train` ─> Launch (launch.json) ─ launcher ─> a process somewhere ─> the run's folder ─> list, attach
//!                                                        pause, stop <─ request ─────────────┘
//! ```

mod launch;
mod launcher;
mod queue;
mod registry;

pub use launch::{CONSOLE, Launch, Started, ask, changed, run_folder};
pub use launcher::{Launcher, all, names};
pub use queue::{Turn, wait_for_device};
pub use registry::{Known, Registry, state_home};
