//! The weights of a run: variables that learn, and frozen tensors that cost neither gradient nor optimiser memory.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};

use super::config::nearest;
use crate::checkpoint::LoraSpec;
use crate::model::{Lora, TensorSource};
use crate::{Error, Result};

/// One weight.
#[derive(Debug)]
pub struct Param {
    /// Name in the checkpoint.
    pub name: String,
    /// The variable; `None` if frozen.
    pub var: Option<Var>,
    tensor: Tensor,
}

impl Param {
    /// The weight as the model sees it.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

/// All weights of a model by name, sorted.
#[derive(Debug)]
pub struct Params {
    entries: Vec<Param>,
    index: BTreeMap<String, usize>,
    lora: Option<LoraSpec>,
}

impl Params {
    /// Takes tensors as they are; those whose name fits a pattern of `freeze` (`*` stands for any text) do not learn.
    ///
    /// # Errors
    /// [`Error::Usage`] for a pattern that fits no weight, or when nothing is left to learn.
    pub fn new(tensors: BTreeMap<String, Tensor>, freeze: &[String]) -> Result<Self> {
        for pattern in freeze {
            if !tensors.keys().any(|name| fits(pattern, name)) {
                let near = nearest(pattern, tensors.keys().cloned());
                return Err(Error::Usage(format!("freeze: no weight fits `{pattern}`{near}")));
            }
        }
        let all = Self::build(tensors, None, &|name| freeze.iter().any(|pattern| fits(pattern, name)))?;
        if all.trainable().next().is_none() {
            return Err(Error::Usage("freeze: every weight is frozen, nothing would be learned".into()));
        }
        Ok(all)
    }

    /// Weights that stay as they are, but for those that `whole` names (the reward head), and an adapter's matrices
    /// (`MODULE.lora_A.weight`, `MODULE.lora_B.weight`), which learn.
    ///
    /// # Errors
    /// From the device.
    pub fn adapted(
        mut tensors: BTreeMap<String, Tensor>,
        adapter: BTreeMap<String, Tensor>,
        spec: &LoraSpec,
        whole: &dyn Fn(&str) -> bool,
    ) -> Result<Self> {
        tensors.extend(adapter);
        Self::build(tensors, Some(spec.clone()), &|name| !whole(name) && !is_lora(name))
    }

    fn build(
        tensors: BTreeMap<String, Tensor>,
        lora: Option<LoraSpec>,
        frozen: &dyn Fn(&str) -> bool,
    ) -> Result<Self> {
        let mut entries = Vec::with_capacity(tensors.len());
        for (name, tensor) in tensors {
            if frozen(&name) {
                entries.push(Param { name, var: None, tensor: tensor.detach() });
            } else {
                let var = Var::from_tensor(&tensor)?;
                entries.push(Param { name, tensor: var.as_tensor().clone(), var: Some(var) });
            }
        }
        let index = entries.iter().enumerate().map(|(i, p)| (p.name.clone(), i)).collect();
        Ok(Self { entries, index, lora })
    }

    /// Weights none of which learns.
    ///
    /// # Errors
    /// From the device.
    pub fn constant(
        mut tensors: BTreeMap<String, Tensor>,
        adapter: BTreeMap<String, Tensor>,
        spec: Option<LoraSpec>,
    ) -> Result<Self> {
        tensors.extend(adapter);
        Self::build(tensors, spec, &|_| true)
    }

    /// The adapter's shape, if it is one that learns.
    pub fn adapter(&self) -> Option<&LoraSpec> {
        self.lora.as_ref()
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).and_then(|&i| self.entries.get(i)).map(Param::tensor)
    }

    /// All weights, sorted by name.
    pub fn all(&self) -> &[Param] {
        &self.entries
    }

    /// The weights that learn, with their variable.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.entries.iter().filter_map(|p| Some((p.name.as_str(), p.var.as_ref()?)))
    }

    /// Numbers that learn, and in all.
    pub fn counts(&self) -> (usize, usize) {
        let count = |p: &Param| p.tensor.elem_count();
        let learn = self.entries.iter().filter(|p| p.var.is_some()).map(count).sum();
        (learn, self.entries.iter().map(count).sum())
    }
}

impl TensorSource for Params {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.find(name);
        let found =
            tensor.map_or_else(|| "none of this name".to_owned(), |t| format!("shape {:?}", t.dims()));
        match tensor.filter(|t| t.dims() == shape) {
            Some(tensor) => Ok(tensor.clone()),
            None => Err(Error::invalid(
                format!("tensor {name}"),
                found,
                format!("one of shape {shape:?}"),
                "Start from a checkpoint whose configuration belongs to its weights.",
            )),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    fn lora(&self, module: &str, out: usize, inp: usize) -> Result<Option<Lora>> {
        let Some(spec) = &self.lora else { return Ok(None) };
        let (a, b) = (format!("{module}.lora_A.weight"), format!("{module}.lora_B.weight"));
        if !self.has(&a) && !self.has(&b) {
            return Ok(None);
        }
        let key = module.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        let (a, b) = (self.tensor(&a, &[spec.rank, inp])?, self.tensor(&b, &[out, spec.rank])?);
        Ok(Some(Lora { a, b, scale: spec.scale(), dropout: spec.dropout, key }))
    }
}

/// The same weights as constants: they see every update, and nothing computed from them has a gradient.
pub struct Constant<'a> {
    /// The weights.
    pub params: &'a Params,
    /// With what is learned beside matrices; without, they are those of the base.
    pub adapted: bool,
}

impl TensorSource for Constant<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.params.tensor(name, shape)?.detach())
    }

    fn has(&self, name: &str) -> bool {
        self.params.has(name)
    }

    fn lora(&self, module: &str, out: usize, inp: usize) -> Result<Option<Lora>> {
        let lora = TensorSource::lora(self.params, module, out, inp)?.filter(|_| self.adapted);
        Ok(lora.map(|l| Lora { a: l.a.detach(), b: l.b.detach(), ..l }))
    }
}

/// Whether a weight is an adapter's matrix.
pub fn is_lora(name: &str) -> bool {
    name.ends_with(".lora_A.weight") || name.ends_with(".lora_B.weight")
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|mut tail| {
            loop {
                if fits(rest, tail) {
                    return true;
                }
                let mut chars = tail.chars();
                if chars.next().is_none() {
                    return false;
                }
                tail = chars.as_str();
            }
        }),
    }
}

/// A [`TensorSource`] that keeps what was asked of another.
pub struct Recorder<'a> {
    /// Where tensors come from.
    pub source: &'a dyn TensorSource,
    seen: std::cell::RefCell<BTreeMap<String, Tensor>>,
}

impl<'a> Recorder<'a> {
    /// Nothing asked yet.
    pub fn new(source: &'a dyn TensorSource) -> Self {
        Self { source, seen: std::cell::RefCell::default() }
    }

    /// All tensors that were asked for.
    pub fn into_tensors(self) -> BTreeMap<String, Tensor> {
        self.seen.into_inner()
    }
}

impl TensorSource for Recorder<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.source.tensor(name, shape)?;
        self.seen.borrow_mut().insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    fn has(&self, name: &str) -> bool {
        self.source.has(name)
    }

    fn base_prefix(&self) -> &str {
        self.source.base_prefix()
    }
}

/// The values of a tensor as f32, row-major.
///
/// # Errors
/// From the device.
pub fn to_vec(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        assert!(fits("a.b", "a.b") && !fits("a.b", "a.bc"));
        assert!(fits("*.weight", "x.y.weight") && fits("x.*", "x.") && fits("*", ""));
        assert!(fits("m.*.q*.w", "m.0.q_proj.w") && !fits("m.*.q", "m.0.k"));
    }
}
