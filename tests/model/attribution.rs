//! Gradients of the reward equal the reference's and reach every weight.

use std::collections::HashMap;

use candle_core::{D, Device, Tensor, Var};
use outloud::model::Model;

use crate::fixture::{self, close, floats, ids};

#[test]
fn gradients_at_embeddings_equal_the_reference() {
    for name in ["cloud-llama-tiny", "cloud-qwen2-tiny", "cloud-gemma3-tiny"] {
        let model = fixture::model(name);
        let expected = fixture::json(&format!("expected/{name}.attribution.json"));
        for case in expected["examples"].as_array().unwrap() {
            let what = format!("{name} {}", case["id"]);
            let sequence = ids(&case["token_ids"]);
            let embeds = Var::from_tensor(&model.embed(&sequence).unwrap()).unwrap();
            let hidden = model.forward_packed_embedded(&embeds, &[sequence.len()]).unwrap();
            let last = hidden.narrow(0, sequence.len() - 1, 1).unwrap();
            let reward = model.rewards(&last).unwrap().squeeze(0).unwrap();
            close(&[reward.to_scalar().unwrap()], &[case["reward"].as_f64().unwrap() as f32], &what);
            let grads = reward.backward().unwrap();
            let grad = grads.get(&embeds).unwrap();
            let product = (grad * embeds.as_tensor()).unwrap().sum(D::Minus1).unwrap();
            relative(&product, &floats(&case["grad_x_input"]), &format!("{what} grad x input"));
            let norm = |t: &Tensor| t.sqr().unwrap().sum(D::Minus1).unwrap().sqrt().unwrap();
            relative(&norm(grad), &floats(&case["grad_l2"]), &format!("{what} grad l2"));
            relative(&norm(&embeds), &floats(&case["input_embedding_l2"]), &format!("{what} input l2"));
        }
    }
}

/// 1e-3 of the largest expected value, the fixtures' tolerance for attribution.
#[track_caller]
fn relative(found: &Tensor, expected: &[f32], what: &str) {
    let found: Vec<f32> = found.to_vec1().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= 1e-3 * largest, "{what}[{i}]: {x}, expected {y}");
    }
}

#[test]
fn every_weight_gets_a_gradient() {
    for name in fixture::CLOUD {
        let vars: HashMap<String, Var> = fixture::tensors(name)
            .into_iter()
            .map(|(name, t)| (name, Var::from_tensor(&t).unwrap()))
            .collect();
        let source: HashMap<String, Tensor> =
            vars.iter().map(|(name, v)| (name.clone(), v.as_tensor().clone())).collect();
        let model = Model::new(&fixture::backbone(name), &fixture::head(), &source, &Device::Cpu).unwrap();
        let rows = [vec![5, 9, 11, 40, 2], vec![7, 8, 300]];
        let hidden = model.forward_packed(&rows.concat(), &[5, 3]).unwrap();
        let loss = (model.rewards(&hidden).unwrap().sum_all().unwrap()
            + model.logits(&hidden).unwrap().sqr().unwrap().sum_all().unwrap())
        .unwrap();
        let grads = loss.backward().unwrap();
        for (tensor, var) in &vars {
            let grad = grads.get(var).unwrap_or_else(|| panic!("{name}: {tensor} has no gradient"));
            let size: f32 = grad.abs().unwrap().sum_all().unwrap().to_scalar().unwrap();
            assert!(size > 0.0 && size.is_finite(), "{name}: the gradient of {tensor} is {size}");
        }
        assert_eq!(model.parameters(), vars.values().map(|v| v.elem_count()).sum::<usize>());
        assert_eq!(model.bytes(), 4 * model.parameters());
    }
}
