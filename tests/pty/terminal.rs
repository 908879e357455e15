//! A program in a pseudo-terminal: its screen, its bytes, keys and signals.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Terminal {
    parser: vt100::Parser,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    writer: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// The terminal's modes before the program began.
    pub modes_before: String,
    _home: Arc<tempfile::TempDir>,
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    /// The real binary.
    pub fn start(args: &[&str], size: (u16, u16)) -> Self {
        Self::start_in(args, size, &[], &[])
    }

    /// The real binary with variables, and files under `outloud/` of the configuration.
    pub fn start_in(args: &[&str], size: (u16, u16), env: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_outloud"));
        command.args(args);
        Self::spawn(command, size, tempfile::tempdir().unwrap().into(), env, files)
    }

    /// The real binary with a home that others had before.
    pub fn start_at(home: &Arc<tempfile::TempDir>, args: &[&str], size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_outloud"));
        command.args(args);
        Self::spawn(command, size, Arc::clone(home), &[], &[])
    }

    /// The real binary behind a pipe: a shell's words that write rows, then the binary's.
    pub fn start_behind(rows: &str, args: &str, size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", &format!("{rows} | '{}' {args}", env!("CARGO_BIN_EXE_outloud"))]);
        Self::spawn(command, size, tempfile::tempdir().unwrap().into(), &[], &[])
    }

    /// A test of this binary, run as a program.
    pub fn child(test: &str, size: (u16, u16)) -> Self {
        Self::child_at(&tempfile::tempdir().unwrap().into(), test, size)
    }

    /// The same with a home of the test's.
    pub fn child_at(home: &Arc<tempfile::TempDir>, test: &str, size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", test, "--nocapture", "--test-threads=1"]);
        Self::spawn(command, size, Arc::clone(home), &[], &[])
    }

    fn spawn(
        mut command: CommandBuilder,
        size: (u16, u16),
        home: Arc<tempfile::TempDir>,
        env: &[(&str, &str)],
        files: &[(&str, &str)],
    ) -> Self {
        let ours = [
            "NO_COLOR",
            "TMUX",
            "STY",
            "SSH_CONNECTION",
            "SSH_TTY",
            "COLORFGBG",
            "OUTLOUD_LOG",
            "OUTLOUD_PLAIN",
            "DISPLAY",
            "WAYLAND_DISPLAY",
        ];
        for name in ours {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            command.env(name, home.path());
        }
        for (name, value) in env {
            command.env(name, value);
        }
        for (name, text) in files {
            let path = home.path().join("outloud").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let pair = native_pty_system().openpty(pty_size(size)).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let modes_before = modes(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 65536];
            while let Ok(n) = reader.read(&mut chunk) {
                if n == 0 || send.send(chunk[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let parser = vt100::Parser::new(cells(size.1), cells(size.0), 0);
        Self {
            parser,
            output,
            raw: Vec::new(),
            writer,
            master: pair.master,
            child,
            modes_before,
            _home: home,
        }
    }

    /// Takes what has arrived.
    pub fn read(&mut self) {
        while let Ok(bytes) = self.output.try_recv() {
            self.parser.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    /// Everything that was sent, as text.
    pub fn sent(&mut self) -> String {
        self.read();
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    pub fn bytes(&self) -> usize {
        self.raw.len()
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    pub fn text(&mut self) -> String {
        self.read();
        self.parser.screen().contents()
    }

    pub fn wait_until(&mut self, what: &str, done: impl Fn(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited for {what} in vain:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |t| t.text().contains(text));
    }

    /// Waits until nothing has arrived for a while.
    pub fn settle(&mut self) {
        let mut before = usize::MAX;
        while before != self.raw.len() {
            before = self.raw.len();
            std::thread::sleep(Duration::from_millis(300));
            self.read();
        }
    }

    pub fn keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub fn resize(&mut self, size: (u16, u16)) {
        self.read();
        self.parser.screen_mut().set_size(cells(size.1), cells(size.0));
        self.master.resize(pty_size(size)).unwrap();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The letter of /proc: R, S, T, ...
    pub fn process_state(&self) -> char {
        let pid = self.child.process_id().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|s| s.chars().next()).unwrap_or('?')
    }

    /// Waits for the end; the exit status.
    pub fn exit(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(100));
                self.read();
                return status.exit_code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Alternate screen, cursor, paste and mouse as a shell wants them.
    pub fn assert_restored(&mut self) {
        self.read();
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "alternate screen");
        assert!(!screen.hide_cursor(), "cursor");
        assert!(!screen.bracketed_paste(), "bracketed paste");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }

    pub fn modes(&self) -> String {
        modes(self.master.as_ref())
    }

    /// Sizes in bytes of the frames so far (synchronized updates).
    pub fn frames(&mut self) -> Vec<usize> {
        self.read();
        let (begin, end) = (&b"\x1b[?2026h"[..], &b"\x1b[?2026l"[..]);
        let mut sizes = Vec::new();
        let mut rest = self.raw.as_slice();
        let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|w| w == needle);
        while let Some(at) = find(rest, begin) {
            let Some(length) = find(&rest[at..], end) else { break };
            sizes.push(length + end.len());
            rest = &rest[at + length + end.len()..];
        }
        sizes
    }
}

/// Line discipline flags, as text.
fn modes(master: &dyn MasterPty) -> String {
    let modes = master.get_termios().unwrap();
    format!(
        "{:?} {:?} {:?} {:?}",
        modes.input_flags, modes.output_flags, modes.control_flags, modes.local_flags
    )
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
