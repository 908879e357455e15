//! The learning rate of each step.

use super::config::{ScheduleConfig, ScheduleKind};

/// Steps of the warm-up.
pub fn warmup_steps(schedule: &ScheduleConfig, total: usize) -> f64 {
    if schedule.warmup < 1.0 { (schedule.warmup * total as f64).round() } else { schedule.warmup }
}

/// Share of the peak learning rate in effect for the update number `step`, from 0, of `total`: linear from 0 over the
/// warm-up (Composer's `CosineAnnealingWithWarmupScheduler`: update 0 runs at 0 when there is a warm-up), then the
/// curve over what remains.
pub fn factor(schedule: &ScheduleConfig, step: usize, total: usize) -> f64 {
    let warmup = warmup_steps(schedule, total);
    let step = step as f64;
    if step < warmup {
        return step / warmup;
    }
    let rest = total as f64 - warmup;
    let progress = if rest > 0.0 { ((step - warmup) / rest).min(1.0) } else { 1.0 };
    match schedule.kind {
        ScheduleKind::Constant => 1.0,
        ScheduleKind::Linear => schedule.floor + (1.0 - schedule.floor) * (1.0 - progress),
        ScheduleKind::Cosine => {
            schedule.floor + (1.0 - schedule.floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_then_falls_to_the_floor() {
        let s = ScheduleConfig { kind: ScheduleKind::Cosine, warmup: 0.1, floor: 0.1 };
        let at = |step| factor(&s, step, 100);
        assert_eq!(at(0), 0.0);
        assert!((at(5) - 0.5).abs() < 1e-12);
        assert_eq!(at(10), 1.0);
        assert!((at(55) - 0.55).abs() < 1e-12);
        assert!((at(100) - 0.1).abs() < 1e-12);
        assert!((10..99).all(|i| at(i + 1) < at(i)));
    }

    #[test]
    fn warm_up_in_steps_and_other_shapes() {
        let line = ScheduleConfig { kind: ScheduleKind::Linear, warmup: 4.0, floor: 0.0 };
        assert_eq!(factor(&line, 2, 8), 0.5);
        assert_eq!(factor(&line, 6, 8), 0.5);
        let flat = ScheduleConfig { kind: ScheduleKind::Constant, warmup: 0.0, floor: 0.0 };
        assert_eq!(factor(&flat, 0, 8), 1.0);
    }
}
