//! From arguments to a [`Batch`]: load the model, look at what is there already, work.

use super::Exit;
use super::batch::{Batch, Task};
use super::host::{self, Host};
use super::interrupt::Interrupt;
use super::model::ModelArgs;
use super::options::{OutArgs, Rows};
use super::output::Output;
use super::progress::Progress;
use super::result::{MadeWith, Shape};
use super::resume::Settings;
use crate::engine::{self, EngineConfig};
use crate::{Error, Result};

/// Bytes of computed prefixes kept for rows to come.
const CACHE_BYTES: usize = 256 << 20;

/// Runs `critique` or `score` over rows.
///
/// # Errors
/// Wrong usage, a model that cannot be loaded, results that cannot be written.
pub fn over_rows(
    model: &ModelArgs,
    rows: impl Fn() -> Result<(Rows, bool)>,
    task: Task,
    samples: Option<usize>,
    tokens: bool,
    out: &OutArgs,
) -> Result<Exit> {
    let (input, again) = rows()?;
    let (source, device) = (model.source()?, model.device()?);
    if !out.resume
        && let Some(path) = out.out.as_ref().filter(|path| path.exists())
    {
        return Err(Error::Usage(format!(
            "{} is there already; go on with it with --resume, or give another --out",
            path.display()
        )));
    }
    let interrupt = Interrupt::listen()?;
    let width = usize::from(out.batch);
    let config = EngineConfig {
        max_batch: width.max(samples.unwrap_or(1)),
        cache_bytes: CACHE_BYTES,
        ..EngineConfig::default()
    };
    let (client, events, _engine) = engine::start(config)?;
    host::runtime()?.block_on(async {
        let progress = Progress::loading(&model.model);
        let host = Host::load((client, events), source, device, interrupt).await?;
        for doubt in host.info.spec.doubts() {
            eprintln!("outloud: {doubt}");
        }
        let made_with = match &task {
            Task::Critique(options) => MadeWith::critique(&host.info, options),
            Task::Score(options) => MadeWith::score(&host.info, options),
        };
        let shape = Shape { made_with, samples, tokens, keep: out.keep };
        let (score, critique) = match &task {
            Task::Critique(options) => (&options.score, true),
            Task::Score(options) => (options, false),
        };
        let settings =
            Settings::of_run(&shape, host.info.spec.method, score.reading, score.stop_here, critique);
        let mut output = Output::open(out.out.as_deref(), out.resume, &settings)?;
        if again && !output.unmatched().is_empty() {
            check_input(rows()?.0, &mut output)?;
        }
        Batch::new(host, task, shape, output, width, progress).run(input).await
    })
}

/// All rows of a resumed file must be among the rows given, in the same order.
fn check_input(rows: Rows, output: &mut Output) -> Result<()> {
    for row in rows.flatten() {
        output.known(&row.id);
    }
    if let Some(row) = output.unmatched().first() {
        return Err(Error::Usage(format!(
            "the --out file has a row with id {} that is not among the rows given (or they have another order); give \
             the rows it was made from, or another --out",
            row.id
        )));
    }
    output.rewind();
    Ok(())
}
