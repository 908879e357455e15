//! A million rows of each format: rows a second and the largest resident size, each in a process of its own; then rows in any
//! order. `cargo bench --bench data [ROWS]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use outloud::data::{Dataset, Options, Source};

/// The program's allocator: what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FORMATS: [&str; 9] = [
    "rows.jsonl",
    "rows.jsonl.gz",
    "rows.jsonl.zst",
    "rows.json",
    "rows.csv",
    "rows.tsv",
    "rows.parquet",
    "rows.arrow",
    "rows.feather",
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [which, path] = args.as_slice()
        && which == "one"
    {
        return one(Path::new(path));
    }
    let rows: usize = args.first().map_or(1_000_000, |n| n.parse().expect("a number of rows"));
    let folder = tempfile::tempdir().unwrap();
    println!("{rows} pairs; wanted: open in seconds, below 200 MB");
    println!(
        "{:<16} {:>9} {:>8} {:>10} {:>9} {:>12}",
        "format", "MB", "s", "rows/s", "peak MB", "any row, ms"
    );
    for name in FORMATS {
        let path = folder.path().join(name);
        write(&path, rows);
        let out = Command::new(std::env::current_exe().unwrap()).arg("one").arg(&path).output().unwrap();
        assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
        let megabytes = path.metadata().unwrap().len() as f64 / 1e6;
        println!("{name:<16} {megabytes:>9.1} {}", String::from_utf8_lossy(&out.stdout).trim_end());
        std::fs::remove_file(&path).unwrap();
    }
}

/// Indexes a file, then reads a thousand of its rows in no order.
fn one(path: &Path) {
    let start = Instant::now();
    let mut data = Dataset::open(vec![Source::from_path(path.to_owned())], Options::default());
    data.index_all(|_| false);
    let seconds = start.elapsed().as_secs_f64();
    let rows = data.len();
    assert!(data.bad().is_empty(), "{:?}", data.bad().first());
    let start = Instant::now();
    for i in 0..1000 {
        data.example(i * 7919 % rows).unwrap();
    }
    let any = start.elapsed().as_secs_f64();
    let peak = peak();
    let verdict = if seconds < 60.0 && peak < 200.0 { "ok" } else { "MISSED" };
    println!("{seconds:>8.2} {:>10.0} {peak:>9.1} {any:>12.3}   {verdict}", rows as f64 / seconds);
}

/// The largest resident size so far, MB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(f64::NAN, |kb| kb * 1024.0 / 1e6)
}

/// Prompt, chosen, rejected and a number, of row `i`.
fn row(i: usize) -> (String, String, String, i64) {
    let (a, b) = (i % 900 + 17, i % 37 + 2);
    (
        format!("{i}: Tom has {a} apples and buys {b} boxes of {b} more. How many apples has he, then?"),
        format!("{b} x {b} = {}, and {a} + {} = {}. So \"{}\" apples.", b * b, b * b, a + b * b, a + b * b),
        format!("{a} + {b} = {}, so he has\n{} apples.", a + b, a + b),
        (i % 6) as i64,
    )
}

fn write(path: &Path, rows: usize) {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap();
    let file = BufWriter::new(File::create(path).unwrap());
    match name.rsplit('.').next().unwrap() {
        "gz" => lines(&mut flate2::write::GzEncoder::new(file, flate2::Compression::fast()), rows),
        "zst" => lines(&mut zstd::Encoder::new(file, 1).unwrap().auto_finish(), rows),
        "jsonl" => lines(&mut { file }, rows),
        "json" => document(&mut { file }, rows),
        "csv" => table(&mut { file }, ',', rows),
        "tsv" => table(&mut { file }, '\t', rows),
        "parquet" => parquet(file, rows),
        _ => arrow(file, rows),
    }
}

fn json((prompt, chosen, rejected, steps): (String, String, String, i64)) -> String {
    serde_json::json!({"prompt": prompt, "chosen": chosen, "rejected": rejected, "steps": steps}).to_string()
}

fn lines(file: &mut dyn Write, rows: usize) {
    (0..rows).for_each(|i| writeln!(file, "{}", json(row(i))).unwrap());
    file.flush().unwrap();
}

fn document(file: &mut dyn Write, rows: usize) {
    (0..rows).for_each(|i| write!(file, "{}{}", if i == 0 { "[" } else { ",\n" }, json(row(i))).unwrap());
    writeln!(file, "]").unwrap();
    file.flush().unwrap();
}

fn table(file: &mut dyn Write, comma: char, rows: usize) {
    writeln!(file, "{}", ["prompt", "chosen", "rejected", "steps"].join(&comma.to_string())).unwrap();
    let cell = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
    for i in 0..rows {
        let (prompt, chosen, rejected, steps) = row(i);
        writeln!(file, "{}{comma}{}{comma}{}{comma}{steps}", cell(prompt), cell(chosen), cell(rejected))
            .unwrap();
    }
    file.flush().unwrap();
}

fn schema() -> Arc<Schema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let steps = Field::new("steps", DataType::Int64, false);
    Arc::new(Schema::new(vec![text("prompt"), text("chosen"), text("rejected"), steps]))
}

fn batches(rows: usize) -> impl Iterator<Item = RecordBatch> {
    (0..rows).step_by(10_000).map(move |from| {
        let rows: Vec<_> = (from..(from + 10_000).min(rows)).map(row).collect();
        let text = |f: fn(&(String, String, String, i64)) -> &String| {
            Arc::new(StringArray::from_iter_values(rows.iter().map(f))) as arrow_array::ArrayRef
        };
        let steps = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.3)));
        RecordBatch::try_new(schema(), vec![text(|r| &r.0), text(|r| &r.1), text(|r| &r.2), steps]).unwrap()
    })
}

fn parquet(file: BufWriter<File>, rows: usize) {
    use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(file, schema(), Some(properties)).unwrap();
    batches(rows).for_each(|batch| writer.write(&batch).unwrap());
    writer.close().unwrap();
}

fn arrow(file: BufWriter<File>, rows: usize) {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &schema()).unwrap();
    batches(rows).for_each(|batch| writer.write(&batch).unwrap());
    writer.finish().unwrap();
}
