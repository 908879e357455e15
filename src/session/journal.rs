//! Writing a journal: whole lines at its end, durable before anybody hears of them.
//!
//! A file that a write or an fsync failed on is not trusted again: what was not confirmed is written into the writer's
//! next file, under the same names. Readers take every name once.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use super::{Entry, Folder, WriterId, encode};
use crate::Result;
use crate::disk::{self, points};

/// The journal of one writer, its file not there before the first event.
#[derive(Debug)]
pub struct Journal {
    folder: Folder,
    writer: WriterId,
    files: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    confirmed: u64,
}

impl Journal {
    /// A journal; nothing is written yet.
    pub fn new(folder: &Folder, writer: WriterId) -> Self {
        Self { folder: folder.clone(), writer, files: 0, open: None }
    }

    /// The writer.
    pub fn writer(&self) -> &WriterId {
        &self.writer
    }

    /// Creates the session's folder, if it is not there.
    ///
    /// # Errors
    /// When the session may not be written.
    pub fn prepare(&self) -> Result<()> {
        match self.open {
            Some(_) => Ok(()),
            None => self.folder.create(),
        }
    }

    /// Writes entries and makes them durable, the new file's name too. After an error the same entries are to be given again.
    ///
    /// # Errors
    /// When the folder may not be written, or the disk is full or broken.
    pub fn append(&mut self, entries: &[&Entry]) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        let bytes: Vec<Vec<u8>> = entries.iter().map(|entry| encode(entry)).collect();
        points::point("journal:begin");
        match write(&mut open, &bytes) {
            Ok(()) => {
                self.open = Some(open);
                Ok(())
            }
            Err(error) => {
                // Best effort: nothing unconfirmed stays behind. Readers do not rely on it.
                if open.confirmed == 0 {
                    let _ = std::fs::remove_file(&open.path);
                } else {
                    let _ = open.file.set_len(open.confirmed);
                }
                Err(disk::failed(&open.path, error))
            }
        }
    }

    fn create(&mut self) -> Result<Open> {
        self.prepare()?;
        let journals = self.folder.journals();
        let name = match self.files {
            0 => format!("{}.jsonl", self.writer),
            n => format!("{}.{n}.jsonl", self.writer),
        };
        self.files += 1;
        let path = journals.join(name);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|e| disk::failed(&path, e))?;
        points::point("journal:created");
        disk::sync_dir(&journals)?;
        Ok(Open { path, file, confirmed: 0 })
    }
}

fn write(open: &mut Open, lines: &[Vec<u8>]) -> std::io::Result<()> {
    let mut length = 0;
    for line in lines {
        // Tests stop inside a line, each time at another place.
        let cut = if points::recorded() { (open.confirmed as usize * 31 + 7) % line.len() } else { 0 };
        let (head, tail) = line.split_at(cut);
        if !head.is_empty() {
            open.file.write_all(head)?;
            points::point("journal:inside");
        }
        open.file.write_all(tail)?;
        length += line.len() as u64;
    }
    points::point("journal:written");
    open.file.sync_all()?;
    points::point("journal:synced");
    open.confirmed += length;
    Ok(())
}
