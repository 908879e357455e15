//! Training runs under the screen: a thread that reads their folders, starts them, asks things of them, estimates, judges.
//! The screen never waits for it.

mod child;
mod jobs;
mod look;
mod models;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc::Sender as Tell;

use self::jobs::{Judging, Planning};
use self::look::Looker;
use crate::app::Msg;
use crate::app::teach::{Ask, News, Place, Run};
use crate::train::run::status::Asked;
use crate::{Error, Result};

/// How often runs are looked at while they are on the screen.
const LOOK: Duration = Duration::from_millis(300);
/// The same while they are not, as long as one is at work.
const AWAY: Duration = Duration::from_secs(2);
/// How often a process that estimates or judges is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Where things are.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The session's folder, whether it is there or not.
    pub session: PathBuf,
    /// Opened files.
    pub files: Vec<PathBuf>,
    /// What their columns mean, as `--map` takes it.
    pub map: String,
    /// Launchers of the user's.
    pub launchers: Option<PathBuf>,
}

impl Places {
    /// How the opened files are read.
    fn options(&self) -> Result<crate::data::Options> {
        Ok(crate::data::Options { map: crate::data::Map::parse(&self.map)?, ..Default::default() })
    }

    fn runs(&self) -> PathBuf {
        self.session.join("runs")
    }
}

/// The thread.
pub(super) struct Runs(Sender<Ask>);

impl Runs {
    /// Starts it; it looks once whether runs of the session are at work.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(places: Places, tell: Tell<Msg>) -> Result<Self> {
        let (send, asks) = channel();
        let worker = Worker {
            looker: Looker::new(places.runs()),
            places,
            tell,
            watching: false,
            told: Vec::new(),
            planning: None,
            judging: None,
        };
        std::thread::Builder::new()
            .name("runs".into())
            .spawn(move || worker.run(&asks))
            .map_err(|e| Error::io("the thread that looks after runs", e))?;
        Ok(Self(send))
    }

    /// Asks for something.
    pub fn ask(&self, what: Ask) {
        // A thread that is gone has nothing left to say.
        let _ = self.0.send(what);
    }
}

struct Worker {
    places: Places,
    looker: Looker,
    tell: Tell<Msg>,
    watching: bool,
    /// The runs as they were told last.
    told: Vec<Run>,
    planning: Option<Planning>,
    judging: Option<Judging>,
}

impl Worker {
    fn run(mut self, asks: &Receiver<Ask>) {
        self.here();
        self.offer();
        loop {
            let at_work = self.told.iter().any(Run::is_at_work);
            let wait = match (self.planning.is_some() || self.judging.is_some(), self.watching, at_work) {
                (true, ..) => Some(POLL),
                (_, true, _) => Some(LOOK),
                (_, _, true) => Some(AWAY),
                _ => None,
            };
            let ask = match wait {
                Some(wait) => asks.recv_timeout(wait),
                None => asks.recv().map_err(|_closed| RecvTimeoutError::Disconnected),
            };
            match ask {
                Ok(ask) => self.carry_out(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.poll().is_none() || self.look().is_none() {
                // The screen is gone.
                return;
            }
        }
    }

    fn tell(&self, news: News) -> Option<()> {
        self.tell.blocking_send(Msg::Runs(Box::new(news))).ok()
    }

    /// Where things are, and which launchers there are.
    fn here(&self) {
        let folder = self.places.launchers.as_deref();
        let launchers = crate::runs::all(folder).into_iter().map(|(name, launcher)| Place {
            name,
            missing: launcher.missing().into_iter().map(str::to_owned).collect(),
            about: launcher.about,
        });
        let _ = self.tell(News::Here(self.places.runs(), self.places.files.clone(), launchers.collect()));
    }

    /// The session's models as they are now, and what became of one.
    fn listed(&self, model: Option<crate::session::Model>) {
        let _ = self.tell(News::Models(models::list(&self.places)));
        if let Some(model) = model {
            let _ = self.tell(News::Model(Box::new(model)));
        }
    }

    fn note(&self, text: impl Into<String>) {
        let _ = self.tell(News::Note(text.into()));
    }

    /// Says which runs of an earlier screen are still at work.
    fn offer(&mut self) {
        let runs = self.looker.list();
        let at_work: Vec<&str> =
            runs.iter().filter(|run| run.is_at_work()).map(|run| run.name.as_str()).collect();
        if !at_work.is_empty() {
            let names = at_work.join(", ");
            let _ = self.look();
            self.note(format!("{names} is still training: g t watches it"));
        }
    }

    /// Tells what has changed in the folders; `None`: nobody hears it.
    fn look(&mut self) -> Option<()> {
        if !self.watching && !self.told.iter().any(Run::is_at_work) && !self.told.is_empty() {
            return Some(());
        }
        let runs = self.looker.list();
        if runs != self.told || self.watching && self.told.is_empty() && self.looker.first() {
            self.told.clone_from(&runs);
            self.tell(News::Runs(runs))?;
        }
        for news in self.looker.news() {
            self.tell(news)?;
        }
        Some(())
    }

    /// What estimating and judging came to.
    fn poll(&mut self) -> Option<()> {
        if let Some(news) = self.planning.as_mut().and_then(Planning::poll) {
            self.planning = None;
            self.tell(news)?;
        }
        if let Some(news) = self.judging.as_mut().and_then(Judging::poll) {
            if matches!(news, News::Judged(_)) {
                self.judging = None;
            }
            self.tell(news)?;
        }
        Some(())
    }

    fn carry_out(&mut self, ask: Ask) {
        let done = match ask {
            Ask::Watch(watching) => {
                if watching && !self.watching {
                    self.here();
                    let _ = self.tell(News::Models(models::list(&self.places)));
                }
                self.watching = watching;
                Ok(())
            }
            Ask::Add(folder) => self.looker.add(&folder),
            Ask::Plan(form) => {
                self.planning = None;
                match Planning::start(&form, &self.places) {
                    Ok(planning) => self.planning = Some(planning),
                    Err(error) => {
                        let _ = self.tell(News::Planned(Err(error.to_string())));
                    }
                }
                Ok(())
            }
            Ask::Start(form) => {
                self.planning = None;
                self.begun(|places| jobs::start(&form, places))
            }
            Ask::Resume(run) => self.begun(|places| jobs::resume(&run, places)),
            Ask::Pause(run) => self.ask_run(&run, Asked::Pause),
            Ask::Stop(run) => self.ask_run(&run, Asked::Stop),
            Ask::Judge(run) => {
                self.judging = None;
                match self.looker.run(&run).map(|run| Judging::start(run, &self.places)) {
                    Some(Ok(judging)) => self.judging = Some(judging),
                    Some(Err(error)) => {
                        let _ = self.tell(News::Judged(Err(error.to_string())));
                    }
                    None => {
                        let _ = self.tell(News::Judged(Err("this run is gone".into())));
                    }
                }
                Ok(())
            }
            Ask::Keep(run, name) => models::keep(&run, &name, &self.places).map(|(said, model)| {
                self.note(said);
                self.listed(Some(model));
            }),
            Ask::Drop(run) => models::remove(&run).map(|model| {
                self.looker.forget(&run);
                self.note("removed");
                self.listed(model);
            }),
            Ask::Models => {
                self.listed(None);
                Ok(())
            }
            Ask::DropModel(path) => models::drop_model(&path, &self.places).map(|model| {
                self.note(format!("{} is removed", model.name));
                self.listed(Some(model));
            }),
            Ask::Cancel => {
                (self.planning, self.judging) = (None, None);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "runs");
            self.note(error.to_string());
        }
    }

    fn begun(&mut self, start: impl FnOnce(&Places) -> Result<(PathBuf, Option<String>)>) -> Result<()> {
        let (run, said) = start(&self.places)?;
        // It is looked at before it is picked.
        let _ = self.look();
        let _ = self.tell(News::Started(run));
        if let Some(said) = said {
            self.note(said);
        }
        Ok(())
    }

    fn ask_run(&self, run: &Path, what: Asked) -> Result<()> {
        self.note(jobs::ask(run, what, &self.places)?);
        Ok(())
    }
}
