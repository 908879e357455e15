//! `outloud data`: what files hold, row by row: their shape, their columns, and every row that is none, with its reason.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::options::MapArgs;
use super::{Exit, say, visible};
use crate::data::{Bad, Dataset, Place, Progress, Repeat, Source};
use crate::{Error, Result};

/// Arguments of `data`.
#[derive(Debug, Args)]
#[command(after_help = "\
Formats: JSON lines, JSON, CSV and TSV, Parquet, Arrow and Feather, each plain, gzip or zstd, told by content.
Shapes: cloud, trl-preference, trl-preference-implicit, rewardbench, rewardbench-2, hh-rlhf, ultrafeedback-binarized,
sharegpt-dpo, sharegpt, messages, arena, pair, kto, scored-answers, scored-answer, critiqued-answer, prompt-answer.
Columns of other names: --map prompt=question,chosen=best,rejected=other.

Exit status: 0 when every file could be read as data (bad rows are listed), 1 when one is no data.")]
pub struct DataArgs {
    /// Files or patterns of files; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// One JSON object a file
    #[arg(long)]
    pub json: bool,
    /// What columns mean.
    #[command(flatten)]
    pub map: MapArgs,
    /// Write the bad rows, as they stand, to a new file (of several files: into a new folder, one file each)
    #[arg(long, value_name = "OUT")]
    pub bad: Option<PathBuf>,
}

/// Bad rows shown without `--json`.
const SHOWN: usize = 10;

/// Reads the files and says what they hold.
///
/// # Errors
/// `Usage` for a pattern that matches nothing; I/O errors of standard output and of `--bad`.
pub fn data(args: &DataArgs) -> Result<Exit> {
    let sources = Source::expand(args.files.iter().cloned())?;
    let several = sources.len() > 1;
    if let Some(out) = args.bad.as_ref().filter(|out| out.exists()) {
        return Err(Error::Usage(format!("{}: there already; give another name", out.display())));
    }
    let options = args.map.options(true);
    let mut exit = Exit::Ok;
    for source in sources {
        let mut data = Dataset::open(vec![source], options.clone());
        data.index_all(|_: Progress| false);
        let Some(file) = data.files().first() else { continue };
        if let Some(error) = &file.error {
            say(error);
            exit = Exit::Failed;
        }
        if args.json {
            print(&json(&data).to_string())?
        } else {
            print(&table(&data))?
        }
        if let Some(out) = &args.bad {
            export(&data, out, several)?;
        }
    }
    Ok(exit)
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|e| Error::io("standard output", e))
}

fn json(data: &Dataset) -> Value {
    let Some(file) = data.files().first() else { return Value::Null };
    let bad: Vec<Value> = data.bad().iter().map(bad).collect();
    let mut value = json!({
        "file": file.name,
        "shape": file.shape.as_ref().map(|shape| shape.name()),
        "rows": file.rows,
        "bad": bad,
        "columns": file.columns,
        "ties": file.ties,
        "format": file.format.map(|format| format.name()),
    });
    if let Value::Object(object) = &mut value {
        if file.repeated > 0 {
            let row = |repeat: &Repeat| {
                let mut row = place(repeat.place);
                row.insert("id".into(), repeat.id.clone().into());
                row.insert("first".into(), place(repeat.first).into());
                Value::Object(row)
            };
            let rows: Vec<Value> = data.repeats().iter().map(row).collect();
            object.insert("repeated_ids".into(), json!({"rows": file.repeated, "first": rows}));
        }
        if !file.notes.is_empty() {
            object.insert("notes".into(), json!(file.notes));
        }
        if let Some(error) = &file.error {
            object.insert("error".into(), json!(error));
        }
    }
    value
}

fn bad(bad: &Bad) -> Value {
    let mut value = place(bad.place);
    value.insert("column".into(), json!(bad.fault.column));
    value.insert("reason".into(), bad.fault.to_string().into());
    Value::Object(value)
}

fn place(place: Place) -> serde_json::Map<String, Value> {
    let (row, line) = match place {
        Place::Line(line) => (None, Some(line)),
        Place::Row(row) => (Some(row), None),
        Place::Element(row, line) => (Some(row), Some(line)),
    };
    let named = [("row", row), ("line", line)];
    named.into_iter().filter_map(|(name, n)| Some((name.to_owned(), n?.into()))).collect()
}

fn table(data: &Dataset) -> String {
    let Some(file) = data.files().first() else { return String::new() };
    let format = file.format.map_or("?", |format| format.name());
    let shape = file.shape.as_ref().map_or("not recognised", |shape| shape.name());
    let mut lines = vec![visible(&file.name)];
    if file.format.is_some() {
        let ties = if file.ties > 0 { format!(", {} ties", file.ties) } else { String::new() };
        lines.push(format!("  shape    {shape} ({format})"));
        lines.push(format!("  rows     {}{ties}", file.rows));
        lines.push(format!("  columns  {}", visible(&file.columns.join(", "))));
    }
    lines.extend(file.notes.iter().map(|note| format!("  note     {note}")));
    if !data.bad().is_empty() {
        lines.push(format!("  bad      {}", data.bad().len()));
    }
    for bad in data.bad().iter().take(SHOWN) {
        let column = bad.fault.column.as_ref().map_or_else(String::new, |column| format!("{column}: "));
        let place = bad.place.to_string();
        lines.push(format!(
            "    {}  {}",
            place.trim_start_matches([':', ' ']),
            visible(&format!("{column}{}", bad.fault))
        ));
    }
    if data.bad().len() > SHOWN {
        lines.push(format!(
            "    and {} more; --json lists all, --bad OUT writes them",
            data.bad().len() - SHOWN
        ));
    }
    if file.repeated > 0 {
        lines.push(format!("  ids      {} rows have the id of an earlier row", file.repeated));
    }
    for repeat in data.repeats().iter().take(SHOWN) {
        let (place, first) = (repeat.place.to_string(), repeat.first.to_string());
        let [place, first] = [&place, &first].map(|place| place.trim_start_matches([':', ' ']));
        lines.push(format!("    {place}  id {}, as {first}", visible(&repeat.id)));
    }
    if file.repeated > SHOWN {
        lines.push(format!("    and {} more", file.repeated - SHOWN));
    }
    if file.shape.is_none() && file.error.is_none() {
        lines.push("  Say what the columns mean: --map prompt=COLUMN,chosen=COLUMN,rejected=COLUMN".into());
    }
    if let Some(error) = &file.error {
        lines.push(format!("  error    {}", visible(error)));
    }
    lines.join("\n")
}

/// Writes a file's bad rows as they stand.
fn export(data: &Dataset, out: &Path, several: bool) -> Result<()> {
    if data.bad().is_empty() {
        return Ok(());
    }
    let path = if several {
        fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
        let name = data.files().first().and_then(|file| Path::new(&file.name).file_name());
        let name = name.map_or_else(|| "rows".into(), |name| name.to_string_lossy().into_owned());
        let mut path = out.join(&name);
        let mut n = 2;
        while path.exists() {
            path = out.join(format!("{n}-{name}"));
            n += 1;
        }
        path
    } else {
        out.to_owned()
    };
    let file = fs::File::create_new(&path).map_err(|e| Error::io(&path, e))?;
    let mut file = BufWriter::new(file);
    data.write_bad(&mut file).and_then(|()| file.flush()).map_err(|e| Error::io(&path, e))
}
