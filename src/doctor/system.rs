//! What `outloud` was built with, and what it runs on.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Serialize;

use crate::engine::{self, DeviceChoice};

/// Build and machine.
#[derive(Clone, Debug, Serialize)]
pub struct System {
    /// Of outloud.
    pub version: &'static str,
    /// Cargo features compiled in.
    pub features: Vec<&'static str>,
    /// Where models can compute.
    pub devices: Vec<Device>,
    /// The processor.
    pub cpu: Cpu,
    /// Where files are kept.
    pub paths: Paths,
}

/// A device.
#[derive(Clone, Debug, Serialize)]
pub struct Device {
    /// As `--device` takes it.
    pub name: &'static str,
    /// Whether a model can be put there.
    pub available: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// The processor.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    /// `x86_64`, ...
    pub arch: &'static str,
    /// Vector instructions found.
    pub features: Vec<&'static str>,
    /// Hardware threads.
    pub logical: usize,
    /// Cores.
    pub physical: usize,
    /// Threads a model uses (`RAYON_NUM_THREADS`).
    pub threads: usize,
}

/// Folders, by the XDG rules on Unix.
#[derive(Clone, Debug, Serialize)]
pub struct Paths {
    /// Keys, themes.
    pub config: Option<Folder>,
    /// Logs.
    pub state: Option<Folder>,
    /// Sessions, runs.
    pub data: Option<Folder>,
}

/// A folder.
#[derive(Clone, Debug, Serialize)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// Whether it is there; it is made when it is needed.
    pub exists: bool,
}

impl System {
    /// Looks.
    pub fn look() -> Self {
        let mut features = Vec::new();
        if cfg!(feature = "cuda") {
            features.push("cuda");
        }
        if cfg!(feature = "metal") {
            features.push("metal");
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            features,
            devices: vec![
                device("cpu", true, DeviceChoice::Cpu),
                device("cuda", cfg!(feature = "cuda"), DeviceChoice::Cuda(0)),
                device("metal", cfg!(feature = "metal"), DeviceChoice::Metal),
            ],
            cpu: Cpu {
                arch: std::env::consts::ARCH,
                features: cpu_features(),
                logical: num_cpus::get(),
                physical: num_cpus::get_physical(),
                threads: rayon::current_num_threads(),
            },
            paths: paths(),
        }
    }
}

fn device(name: &'static str, built: bool, choice: DeviceChoice) -> Device {
    if !built {
        let reason = format!("not in this build; build with `--features {name}`");
        return Device { name, available: false, reason: Some(reason) };
    }
    match engine::device(choice) {
        Ok(_) => Device { name, available: true, reason: None },
        Err(error) => Device { name, available: false, reason: Some(error.to_string()) },
    }
}

fn cpu_features() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! look {
            ($($name:tt),*) => { $(if std::arch::is_x86_feature_detected!($name) { found.push($name); })* };
        }
        look!("sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512vnni", "avx512bf16", "avx512fp16");
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! look {
            ($($name:tt),*) => {
                $(if std::arch::is_aarch64_feature_detected!($name) { found.push($name); })*
            };
        }
        look!("neon", "fp16", "bf16", "dotprod", "i8mm", "sve");
    }
    found
}

fn paths() -> Paths {
    let base = etcetera::choose_base_strategy().ok();
    let folder = |path: &Path| {
        let path = path.join("outloud");
        Folder { exists: path.is_dir(), path }
    };
    Paths {
        config: base.as_ref().map(|base| folder(&base.config_dir())),
        state: base.as_ref().and_then(|base| base.state_dir()).map(|dir| folder(&dir)),
        data: base.as_ref().map(|base| folder(&base.data_dir())),
    }
}
