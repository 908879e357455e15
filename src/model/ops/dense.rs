//! The linear layer: `x @ weight^T`. A frozen weight costs no gradient, and neither does a constant input.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::kernel::{Mat, product, values, with_values};

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
        let mut y = vec![0f32; n * output];
        let (x, w) = (Mat::rows(values(x, lx)?, input), Mat::rows(values(w, lw)?, input).t());
        product((n, input, output), x, w, &mut y, output, false, true);
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
                let mut dx = vec![0f32; n * input];
                with_values(w, |w| {
                    let (g, w) = (Mat::rows(g, output), Mat::rows(w, input));
                    product((n, output, input), g, w, &mut dx, input, false, true);
                    Ok(())
                })?;
                Tensor::from_vec(dx, (n, input), x.device())
            });
            let dw = w.track_op().then(|| {
                let mut dw = vec![0f32; output * input];
                with_values(x, |x| {
                    let (g, x) = (Mat::rows(g, output).t(), Mat::rows(x, input));
                    product((output, n, input), g, x, &mut dw, input, false, true);
                    Ok(())
                })?;
                Tensor::from_vec(dw, (output, input), w.device())
            });
            Ok((dx.transpose()?, dw.transpose()?))
        })
    }
}
