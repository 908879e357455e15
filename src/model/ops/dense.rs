//! The linear layer: `x @ weight^T`. A frozen weight costs no gradient, and neither does a constant input.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::kernel::{Mat, new_product, values, with_values};

struct Linear;

/// See [`super::linear`], without the bias.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if x.dims2()?.1 != weight.dims2()?.1 {
        bail!("linear: x {:?}, weight {:?}", x.shape(), weight.shape());
    }
    x.contiguous()?.apply_op2(&weight.contiguous()?, Linear)
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, input), (output, _)) = (lx.shape().dims2()?, lw.shape().dims2()?);
        let (x, w) = (Mat::rows(values(x, lx)?, input), Mat::rows(values(w, lw)?, input).t());
        let y = new_product((n, input, output), x, w, true);
        Ok((CpuStorage::F32(y), Shape::from((n, output))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((n, input), output) = (x.dims2()?, w.dim(0)?);
        let grad = grad.contiguous()?;
        with_values(&grad, |g| {
            let dx = x.track_op().then(|| {
                let product = |w: &[f32]| {
                    Ok(new_product((n, output, input), Mat::rows(g, output), Mat::rows(w, input), true))
                };
                Tensor::from_vec(with_values(w, product)?, (n, input), x.device())
            });
            let dw = w.track_op().then(|| {
                let product = |x: &[f32]| {
                    Ok(new_product((output, n, input), Mat::rows(g, output).t(), Mat::rows(x, input), true))
                };
                Tensor::from_vec(with_values(x, product)?, (output, input), w.device())
            });
            Ok((dx.transpose()?, dw.transpose()?))
        })
    }
}
