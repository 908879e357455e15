//! The doctor's reports as text for people. Text of models is shown with its control characters visible.

use std::fmt::Write;

use super::doctor::Terminal;
use crate::checkpoint::{Method, Spec};
use crate::doctor::system::{Folder, System};
use crate::doctor::{Report, model::Token};

/// A page of `name  value` lines.
struct Page(String);

impl Page {
    fn head(&mut self, text: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{gap}{text}");
    }

    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        let _ = writeln!(self.0, "  {name:<23} {}", value.as_ref());
    }
}

/// Build, machine and terminal.
pub fn system(system: &System, terminal: &Terminal) -> String {
    let mut page = Page(String::new());
    page.head(&format!("outloud {}", system.version));
    let features = if system.features.is_empty() { "none".into() } else { system.features.join(", ") };
    page.line("features", features);
    let cpu = &system.cpu;
    page.line("cpu", format!("{}: {}", cpu.arch, cpu.features.join(" ")));
    page.line(
        "threads",
        format!(
            "{} (RAYON_NUM_THREADS changes it); {} cores, {} hardware threads",
            cpu.threads, cpu.physical, cpu.logical
        ),
    );
    page.head("devices");
    for device in &system.devices {
        page.line(device.name, device.reason.as_deref().unwrap_or("available"));
    }
    page.head("terminal");
    let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".into());
    let size = terminal.size.map(|(width, height)| format!("{width} x {height}"));
    let is = if terminal.is_terminal { "yes" } else { "no, standard output goes elsewhere" };
    page.line("is a terminal", is);
    page.line("size", size.unwrap_or_else(|| "unknown".into()));
    page.line("TERM", or(&terminal.term));
    page.line("program", or(&terminal.program));
    page.line("colours", format!("{} ({})", terminal.colours, terminal.colours_why));
    page.line("inside", terminal.multiplexer.unwrap_or("no multiplexer"));
    page.line("ssh", if terminal.ssh { "yes" } else { "no" });
    page.line("clipboard", &terminal.clipboard);
    if let Some(advice) = terminal.advice {
        page.line("advice", advice);
    }
    page.head("folders");
    for (name, folder) in
        [("config", &system.paths.config), ("state", &system.paths.state), ("data", &system.paths.data)]
    {
        page.line(name, folder.as_ref().map_or_else(|| "unknown".into(), folder_line));
    }
    page.0
}

fn folder_line(folder: &Folder) -> String {
    let note = if folder.exists { "" } else { " (not there yet)" };
    format!("{}{note}", folder.path.display())
}

/// A checkpoint.
pub fn model(report: &Report) -> String {
    let mut page = Page(String::new());
    page.head(&format!("{} ({})", report.model, report.fingerprint));
    spec(&mut page, &report.spec);
    let tensors = &report.tensors;
    page.head("tensors");
    let dtypes: Vec<String> = tensors.dtypes.iter().map(|(dtype, n)| format!("{n} {dtype}")).collect();
    page.line(
        "checked",
        format!("{} ({}), {} parameters", tensors.count, dtypes.join(", "), tensors.parameters),
    );
    page.line("missing", list(&tensors.missing));
    page.line("not needed", list(&tensors.unexpected));
    page.line(
        "damaged",
        if tensors.damaged.is_empty() { "none".into() } else { tensors.damaged.len().to_string() },
    );
    page.line(
        "loaded",
        format!("in {:.2} s on {} as {}", report.load_s, report.device, report.dtype.unwrap_or("nothing")),
    );
    page.head(&format!("tokens of an example ({})", report.tokens.len()));
    for (part, range, text) in runs(&report.tokens) {
        page.line(part, format!("{range:<7} {text}"));
    }
    let end = report.tokens.get(report.read_at);
    page.line(
        "read at",
        format!("position {}, {}", report.read_at, end.map_or_else(String::new, |t| visible(&t.text))),
    );
    if let Some(rewards) = &report.rewards {
        page.head("rewards of the example");
        page.line("in place", format!("{:.6}", rewards.in_place));
        match (rewards.re_encoded, rewards.gap) {
            (Some(reward), Some(gap)) => {
                page.line("re-encoded", format!("{reward:.6}"));
                let from = rewards.first_difference.map_or_else(
                    || "the tokens are the same".to_owned(),
                    |at| format!("the tokens differ from position {at} on"),
                );
                page.line("gap", format!("{gap:+.6} ({from})"));
            }
            _ => page.line("re-encoded", "the same: a classic model reads the answer as it is"),
        }
        page.head("if BOS or the end were done otherwise (in place)");
        for variant in &rewards.variants {
            let Ok(()) = writeln!(
                page.0,
                "  {:<23} {:>10.6} {:>+10.6}  {}",
                variant.name,
                variant.reward,
                variant.delta,
                visible(&variant.what)
            ) else {
                continue;
            };
        }
        page.line("spread", format!("{:.6}", rewards.spread));
    }
    page.head(if report.problems.is_empty() { "no problems found" } else { "problems" });
    for problem in &report.problems {
        let _ = writeln!(page.0, "  {}", visible(problem));
    }
    if !report.doubts.is_empty() {
        page.head("doubts");
    }
    for doubt in &report.doubts {
        let _ = writeln!(page.0, "  {doubt}");
    }
    page.0
}

fn spec(page: &mut Page, spec: &Spec) {
    page.head("what it is, and why");
    let method = match spec.method {
        Method::Cloud => "CLoud: a critique, then the reward",
        Method::Classic => "classic: the reward of prompt and answer",
    };
    page.line("kind", method);
    for reason in &spec.reasons {
        page.line(&reason.what, format!("{}  <- {}", visible(&reason.value), visible(&reason.why)));
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { visible(&names.join(", ")) }
}

/// Neighbours of one part together: part, positions, token texts.
fn runs(tokens: &[Token]) -> Vec<(&'static str, String, String)> {
    tokens
        .chunk_by(|a, b| a.part == b.part)
        .filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            let texts: Vec<String> = run.iter().map(|token| visible(&token.text)).collect();
            Some((first.part, format!("{}-{}", first.index, last.index), texts.join("|")))
        })
        .collect()
}

/// On one line, control characters shown.
fn visible(text: &str) -> String {
    super::visible(text).replace('\n', "\\n")
}
