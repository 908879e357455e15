//! Named moments of writes, so that tests can kill a process at each of them and see where kills fell.
//! Release builds have none of this.

/// Marks a moment. In debug builds, with `OUTLOUD_TEST_POINTS` naming a file, its name is appended there; with
/// `OUTLOUD_TEST_STOP=name:n` the process waits for its end at the n-th time.
pub fn point(name: &str) {
    #[cfg(debug_assertions)]
    debug::point(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// Whether a test stops at this moment; writers then write the first half only before it.
pub fn wanted(name: &str) -> bool {
    #[cfg(debug_assertions)]
    return debug::stop().is_some_and(|(wanted, _)| wanted == name);
    #[cfg(not(debug_assertions))]
    {
        let _ = name;
        false
    }
}

/// Whether a test records moments; writers then write lines in two pieces.
pub fn recorded() -> bool {
    #[cfg(debug_assertions)]
    return std::env::var_os("OUTLOUD_TEST_POINTS").is_some();
    #[cfg(not(debug_assertions))]
    false
}

#[cfg(debug_assertions)]
mod debug {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};

    pub fn stop() -> Option<(String, usize)> {
        let text = std::env::var("OUTLOUD_TEST_STOP").ok()?;
        let (name, n) = text.rsplit_once(':')?;
        Some((name.to_owned(), n.parse().ok()?))
    }

    pub fn point(name: &str) {
        static HITS: AtomicUsize = AtomicUsize::new(0);
        let Ok(path) = std::env::var("OUTLOUD_TEST_POINTS") else { return };
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
            let _ = writeln!(file, "{name}");
        }
        if let Some((wanted, n)) = stop()
            && wanted == name
            && HITS.fetch_add(1, Ordering::Relaxed) + 1 == n
        {
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
    }
}
