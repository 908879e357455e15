//! One pass over some pairs: forward, losses and gradients, keeping all activations or only what stands between layers.

use candle_core::{Tensor, Var};

use super::collate::PairRows;
use super::config::Loss;
use super::loss::{Measured, Weights, losses, pack};
use super::params::Params;
use super::step::Gradients;
use crate::Result;
use crate::model::{Model, Noise};

/// What a pass is for.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    /// What each part of the loss weighs.
    pub weights: Weights,
    /// Dropout, where the model has it.
    pub noise: Option<Noise>,
    /// Whether gradients are wanted.
    pub learn: bool,
}

/// The models of a pass.
pub(super) struct Learner<'a> {
    /// With variables.
    pub model: &'a Model,
    /// The same weights as constants.
    pub constant: &'a Model,
    /// As training began, if the divergence from it counts.
    pub start: Option<&'a Model>,
    /// What is trained.
    pub loss: Loss,
    /// The weights that learn.
    pub params: &'a Params,
    /// Whether activations of layers are computed again.
    pub gradient_checkpointing: bool,
}

impl Learner<'_> {
    /// The numbers of some pairs, and the gradients of the weighted loss, none without `learn`.
    pub fn run(&self, pairs: &[&PairRows], pass: Pass) -> Result<(Measured, Gradients)> {
        let (ids, lens) = pack(pairs);
        let first = match self.start.filter(|_| self.loss.has_critique()) {
            Some(model) => Some((model, hidden(model, &ids, &lens, None)?)),
            None => None,
        };
        let start = first.as_ref().map(|(model, hidden)| (*model, hidden));
        if !pass.learn {
            let hidden = hidden(self.constant, &ids, &lens, None)?;
            let (measured, _) = losses(self.constant, self.loss, pairs, pass.weights, &hidden, start)?;
            return Ok((measured, Vec::new()));
        }
        if self.gradient_checkpointing {
            return self.sparing(pairs, &ids, &lens, pass, start);
        }
        let hidden = hidden(self.model, &ids, &lens, pass.noise)?;
        let (measured, loss) = losses(self.model, self.loss, pairs, pass.weights, &hidden, start)?;
        let Some(loss) = loss else { return Ok((measured, Vec::new())) };
        let mut store = loss.backward()?;
        Ok((measured, self.params.trainable().map(|(_, var)| store.remove(var)).collect()))
    }

    /// Keeps what stands before each layer, and computes each layer again for its gradients.
    fn sparing(
        &self,
        pairs: &[&PairRows],
        ids: &[u32],
        lens: &[usize],
        pass: Pass,
        start: Option<(&Model, &Tensor)>,
    ) -> Result<(Measured, Gradients)> {
        let rows = self.constant.packed(lens, pass.noise)?;
        let mut before = vec![self.constant.embed(ids)?];
        for index in 0..self.constant.backbone().layers.len() {
            let next = before.last().map(|x| self.constant.layer_packed(index, x, &rows)).transpose()?;
            before.extend(next);
        }
        let mut gradients: Gradients = vec![None; self.params.trainable().count()];
        let Some(last) = before.pop() else { return Ok((Measured::default(), gradients)) };
        let leaf = Var::from_tensor(&last)?;
        drop(last);
        let hidden = self.model.normed(leaf.as_tensor())?;
        let (measured, loss) = losses(self.model, self.loss, pairs, pass.weights, &hidden, start)?;
        drop(hidden);
        let Some(loss) = loss else { return Ok((measured, Vec::new())) };
        let mut slope = self.take(&loss, &leaf, &mut gradients)?;
        drop(loss);
        for (index, x) in before.into_iter().enumerate().rev() {
            let Some(above) = slope else { return Ok((measured, gradients)) };
            let leaf = Var::from_tensor(&x)?;
            drop(x);
            let y = self.model.layer_packed(index, leaf.as_tensor(), &rows)?;
            // A scalar whose gradient with respect to y is that of the loss.
            slope = self.take(&(y * above)?.sum_all()?, &leaf, &mut gradients)?;
        }
        let embedded = self.model.embed(ids)?;
        if let Some(above) = slope.filter(|_| embedded.track_op()) {
            let leaf = Var::from_tensor(&above)?;
            self.take(&(embedded * above)?.sum_all()?, &leaf, &mut gradients)?;
        }
        Ok((measured, gradients))
    }

    /// Adds the gradients of a scalar to those of the weights; returns that of the leaf.
    fn take(&self, scalar: &Tensor, leaf: &Var, gradients: &mut Gradients) -> Result<Option<Tensor>> {
        let mut store = scalar.backward()?;
        for (sum, (_, var)) in gradients.iter_mut().zip(self.params.trainable()) {
            *sum = match (sum.take(), store.remove(var)) {
                (Some(sum), Some(more)) => Some((sum + more)?),
                (sum, more) => sum.or(more),
            };
        }
        Ok(store.remove(leaf))
    }
}

/// Hidden states after the final norm, `[N, hidden]`.
fn hidden(model: &Model, ids: &[u32], lens: &[usize], noise: Option<Noise>) -> Result<Tensor> {
    let rows = model.packed(lens, noise)?;
    let mut x = model.embed(ids)?;
    for index in 0..model.backbone().layers.len() {
        x = model.layer_packed(index, &x, &rows)?;
    }
    model.normed(&x)
}
