//! `--model` and `--device`, the same for every command.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::checkpoint::Bundled;
use crate::engine::{DeviceChoice, ModelSource};
use crate::{Error, Result};

/// Which model, and where it computes.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// A checkpoint folder, or `demo`, or its twin `demo-classic`
    #[arg(long, short, value_name = "MODEL", default_value = "demo")]
    pub model: String,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Device,
}

impl ModelArgs {
    /// Where the model is.
    ///
    /// # Errors
    /// When it is neither a model compiled in nor a folder.
    pub fn source(&self) -> Result<ModelSource> {
        source(&self.model)
    }

    /// Where to compute.
    ///
    /// # Errors
    /// `Usage` when this build cannot.
    pub fn device(&self) -> Result<DeviceChoice> {
        let (built, feature) = match self.device.0 {
            DeviceChoice::Auto | DeviceChoice::Cpu => (true, ""),
            DeviceChoice::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
            DeviceChoice::Metal => (cfg!(feature = "metal"), "metal"),
        };
        if built {
            return Ok(self.device.0);
        }
        Err(Error::Usage(format!(
            "this build of outloud has no {feature}; build it with `cargo build --release --features {feature}`, \
             or use `--device cpu`"
        )))
    }
}

/// Reads a MODEL argument.
///
/// # Errors
/// When it is neither a model compiled in nor a folder.
pub fn source(model: &str) -> Result<ModelSource> {
    if let Some(which) = Bundled::ALL.into_iter().find(|which| which.name() == model) {
        return Ok(ModelSource::Bundled(which));
    }
    let path = PathBuf::from(model);
    if path.is_dir() {
        return Ok(ModelSource::Folder(path));
    }
    let found = if path.exists() { "a file" } else { "nothing there" };
    Err(Error::invalid(
        format!("MODEL `{model}`"),
        found,
        "a checkpoint folder (config.json, safetensors, tokenizer.json) or `demo`",
        "Give the folder; a model on a hub has to be downloaded first.",
    ))
}

/// A device as written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(pub DeviceChoice);

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let choice = match text {
            "auto" => DeviceChoice::Auto,
            "cpu" => DeviceChoice::Cpu,
            "cuda" => DeviceChoice::Cuda(0),
            "metal" => DeviceChoice::Metal,
            _ => match text.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
                Some(number) => DeviceChoice::Cuda(number),
                None => return Err("expected auto, cpu, cuda, cuda:N or metal".into()),
            },
        };
        Ok(Self(choice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        assert_eq!("cuda:3".parse(), Ok(Device(DeviceChoice::Cuda(3))));
        assert_eq!("auto".parse(), Ok(Device(DeviceChoice::Auto)));
        assert!("gpu".parse::<Device>().is_err());
        assert!("cuda:".parse::<Device>().is_err());
    }

    #[test]
    fn a_model_that_is_not_there_is_named() {
        let error = source("no/such/folder").unwrap_err().to_string();
        assert!(error.contains("no/such/folder") && error.contains("nothing there"), "{error}");
    }
}
