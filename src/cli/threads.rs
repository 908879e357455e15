//! Threads of a training process: a part of each micro-batch on every core, and nothing beside.

/// Makes candle's own element-wise operations run on the thread that calls them (unless the user set their number), and
/// gives matrix products as many threads as there are physical cores. Without the first, parts that train side by side
/// wait for each other in candle's one barrier: measured, a step takes twice as long.
///
/// To be called before any other thread is started.
#[allow(unsafe_code, reason = "the environment is changed before a second thread exists")]
pub fn for_training() {
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // SAFETY: no other thread reads the environment: the command line starts none before this.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let threads = num_cpus::get_physical();
        // A pool that is already there stays as it is.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
}
