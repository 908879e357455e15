//! A frozen linear layer and the low-rank product learned beside it, in one: no pass over the sum of the two.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::kernel::{Mat, new_product, product, values, with_all, with_values};

struct LowRank {
    weight: Tensor,
    scale: f32,
    /// `scale * x @ a^T`, `[N, r]`, written by the forward pass.
    inner: OnceLock<Vec<f32>>,
}

/// See [`super::low_rank_linear`].
pub fn linear(x: &Tensor, weight: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    let ((_, input), (output, w)) = (x.dims2()?, weight.dims2()?);
    let ((rank, ai), (bo, br)) = (a.dims2()?, b.dims2()?);
    if (w, ai, bo, br) != (input, input, output, rank) {
        bail!(
            "low-rank: x {:?}, weight {:?}, a {:?}, b {:?}",
            x.shape(),
            weight.shape(),
            a.shape(),
            b.shape()
        );
    }
    let op = LowRank { weight: weight.contiguous()?.detach(), scale: scale as f32, inner: OnceLock::new() };
    x.contiguous()?.apply_op3(&a.contiguous()?, &b.contiguous()?, op)
}

impl CustomOp3 for LowRank {
    fn name(&self) -> &'static str {
        "low-rank-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        a: &CpuStorage,
        la: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, input), (rank, _), (output, _)) =
            (lx.shape().dims2()?, la.shape().dims2()?, lb.shape().dims2()?);
        let (x, a, b) = (values(x, lx)?, values(a, la)?, values(b, lb)?);
        let mut inner = new_product((n, input, rank), Mat::rows(x, input), Mat::rows(a, input).t(), true);
        inner.iter_mut().for_each(|h| *h *= self.scale);
        let mut y = with_values(&self.weight, |w| {
            Ok(new_product((n, input, output), Mat::rows(x, input), Mat::rows(w, input).t(), true))
        })?;
        product(
            (n, rank, output),
            Mat::rows(&inner, rank),
            Mat::rows(b, rank).t(),
            &mut y,
            output,
            true,
            true,
        );
        self.inner.set(inner).ok();
        Ok((CpuStorage::F32(y), Shape::from((n, output))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, input), (rank, _), (output, _)) = (x.dims2()?, a.dims2()?, b.dims2()?);
        let Some(inner) = self.inner.get() else { bail!("low-rank: backward before forward") };
        let grad = grad.contiguous()?;
        let mut found = (None, None, None);
        with_all(&[x, a, b, &grad, &self.weight], &mut |data: &[&[f32]]| {
            let [x_values, a_values, b_values, g, w] = data else { bail!("low-rank: operands") };
            let g = Mat::rows(g, output);
            // With respect to scale * x @ a^T, then with respect to x @ a^T.
            let mut dh = new_product((n, output, rank), g, Mat::rows(b_values, rank), true);
            dh.iter_mut().for_each(|h| *h *= self.scale);
            if x.track_op() {
                let mut dx = new_product((n, output, input), g, Mat::rows(w, input), true);
                let (dh, a) = (Mat::rows(&dh, rank), Mat::rows(a_values, input));
                product((n, rank, input), dh, a, &mut dx, input, true, true);
                found.0 = Some(Tensor::from_vec(dx, (n, input), x.device())?);
            }
            if a.track_op() {
                let da =
                    new_product((rank, n, input), Mat::rows(&dh, rank).t(), Mat::rows(x_values, input), true);
                found.1 = Some(Tensor::from_vec(da, (rank, input), a.device())?);
            }
            if b.track_op() {
                let db = new_product((output, n, rank), g.t(), Mat::rows(inner, rank), true);
                found.2 = Some(Tensor::from_vec(db, (output, rank), b.device())?);
            }
            Ok(())
        })?;
        Ok(found)
    }
}
