//! What rewards, margins and lengths of many rows look like: histograms, points, correlations.

use super::Facts;

/// Bins of a histogram; zero is in the middle of the one in the middle.
pub const BINS: usize = 41;
/// The scatter's grid: points that fall together are one.
const GRID: (usize, usize) = (96, 48);

/// A histogram over `-bound..bound`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Bins {
    /// The scale: the next of 1, 2, 5, 10, ... that holds all.
    pub bound: f32,
    /// How many in each bin, and the row with the most extreme value of it.
    pub bins: Vec<(u32, u32)>,
    /// How many in all.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub sd: f64,
}

/// Points of the scatter that fall together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Characters of the answer.
    pub length: f32,
    /// Its reward.
    pub reward: f32,
    /// A row: the one farthest from the line.
    pub row: u32,
    /// How many.
    pub count: u32,
    /// Reward less that of the line at this length.
    pub residual: f32,
}

/// What the charts show.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Summary {
    /// Rewards of all answers.
    pub rewards: Bins,
    /// Margins of pairs.
    pub margins: Bins,
    /// Length against reward, by length, then reward.
    pub points: Vec<Point>,
    /// Answers with a reward.
    pub answers: usize,
    /// Correlation of length and reward; `None` below three answers or where one does not vary.
    pub pearson: Option<f64>,
    /// The same of their ranks.
    pub spearman: Option<f64>,
    /// Least squares: reward = slope * length + offset.
    pub line: Option<(f64, f64)>,
}

impl Summary {
    /// Of some rows.
    pub fn of(rows: impl Iterator<Item = (u32, Facts)>) -> Self {
        let mut answers: Vec<(f32, f32, u32)> = Vec::new();
        let mut margins: Vec<(f32, u32)> = Vec::new();
        for (row, facts) in rows {
            for (length, reward) in facts.lengths.iter().zip(facts.rewards) {
                if reward.is_finite() {
                    answers.push((*length as f32, reward, row));
                }
            }
            if facts.margin().is_finite() {
                margins.push((facts.margin(), row));
            }
        }
        let rewards = bins(answers.iter().map(|(_, reward, row)| (*reward, *row)));
        let margins = bins(margins.into_iter());
        let (pearson, line) = pearson(answers.iter().map(|(x, y, _)| (f64::from(*x), f64::from(*y))));
        let x = ranks(answers.iter().map(|(x, ..)| *x).collect());
        let y = ranks(answers.iter().map(|(_, y, _)| *y).collect());
        let (spearman, _) = self::pearson(x.iter().copied().zip(y.iter().copied()));
        let points = points(&answers, line);
        Self { rewards, margins, points, answers: answers.len(), pearson, spearman, line }
    }
}

/// The next of 1, 2, 5, 10, ... (and 0.5, 0.2, ...) that is not below `most`.
fn bound(most: f32) -> f32 {
    if !(most.is_finite() && most > 0.0) {
        return 1.0;
    }
    let decade = 10f32.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * decade).find(|b| *b >= most).unwrap_or(most)
}

fn bins(values: impl Iterator<Item = (f32, u32)> + Clone) -> Bins {
    let most = values.clone().fold(0.0, |most: f32, (v, _)| most.max(v.abs()));
    let bound = bound(most);
    let mut bins = vec![(0u32, 0u32, 0f32); BINS];
    let (mut count, mut sum, mut squares) = (0usize, 0.0, 0.0);
    for (value, row) in values {
        let place = (value / bound + 1.0) / 2.0 * BINS as f32;
        if let Some((n, first, extreme)) = bins.get_mut((place.max(0.0) as usize).min(BINS - 1)) {
            if *n == 0 || value.abs() > extreme.abs() {
                (*first, *extreme) = (row, value);
            }
            *n += 1;
        }
        count += 1;
        sum += f64::from(value);
        squares += f64::from(value).powi(2);
    }
    let n = count.max(1) as f64;
    let mean = sum / n;
    let sd = (squares / n - mean * mean).max(0.0).sqrt();
    Bins { bound, bins: bins.into_iter().map(|(n, row, _)| (n, row)).collect(), count, mean, sd }
}

/// Pearson's correlation and the line of least squares.
fn pearson(points: impl Iterator<Item = (f64, f64)> + Clone) -> (Option<f64>, Option<(f64, f64)>) {
    let n = points.clone().count();
    if n < 3 {
        return (None, None);
    }
    let (sx, sy) = points.clone().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mx, my) = (sx / n as f64, sy / n as f64);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    let line = (xx > 0.0).then(|| (xy / xx, my - xy / xx * mx));
    let r = (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt());
    (r, line)
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: Vec<f32>) -> Vec<f64> {
    let mut order: Vec<(f32, u32)> = values.into_iter().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = vec![0.0; order.len()];
    let mut before = 0;
    for alike in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + (alike.len() as f64 + 1.0) / 2.0;
        for (_, at) in alike {
            if let Some(slot) = out.get_mut(*at as usize) {
                *slot = rank;
            }
        }
        before += alike.len();
    }
    out
}

fn points(answers: &[(f32, f32, u32)], line: Option<(f64, f64)>) -> Vec<Point> {
    let span = |of: fn(&(f32, f32, u32)) -> f32| {
        let all = answers.iter().map(of);
        let low = all.clone().fold(f32::INFINITY, f32::min);
        (low, (all.fold(f32::NEG_INFINITY, f32::max) - low).max(f32::MIN_POSITIVE))
    };
    let ((x0, dx), (y0, dy)) = (span(|a| a.0), span(|a| a.1));
    let mut grid: Vec<Option<Point>> = vec![None; GRID.0 * GRID.1];
    for &(length, reward, row) in answers {
        let place = |v: f32, low: f32, span: f32, cells: usize| {
            (((v - low) / span * cells as f32) as usize).min(cells - 1)
        };
        let at = place(length, x0, dx, GRID.0) * GRID.1 + place(reward, y0, dy, GRID.1);
        let on_line = line.map_or(0.0, |(slope, offset)| (slope * f64::from(length) + offset) as f32);
        let new = Point { length, reward, row, count: 1, residual: reward - on_line };
        if let Some(slot) = grid.get_mut(at) {
            *slot = Some(match *slot {
                None => new,
                Some(old) => {
                    let kept = if new.residual.abs() > old.residual.abs() { new } else { old };
                    Point { count: old.count + 1, ..kept }
                }
            });
        }
    }
    let mut points: Vec<Point> = grid.into_iter().flatten().collect();
    points.sort_by(|a, b| a.length.total_cmp(&b.length).then(a.reward.total_cmp(&b.reward)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_of_known_numbers() {
        // scipy.stats: pearsonr 0.7745966692414834, spearmanr 0.7378647873726218
        let points = [(1.0, 2.0), (2.0, 4.0), (3.0, 5.0), (4.0, 4.0), (5.0, 5.0)];
        let (r, line) = pearson(points.iter().copied());
        assert!((r.unwrap() - 0.774_596_669).abs() < 1e-8);
        assert!((line.unwrap().0 - 0.6).abs() < 1e-12 && (line.unwrap().1 - 2.2).abs() < 1e-12);
        let x = ranks(vec![1.0, 2.0, 3.0, 4.0, 5.0]);
        let y = ranks(vec![2.0, 4.0, 5.0, 4.0, 5.0]);
        assert_eq!(y, [1.0, 2.5, 4.5, 2.5, 4.5]);
        let (rho, _) = pearson(x.into_iter().zip(y));
        assert!((rho.unwrap() - 0.737_864_787).abs() < 1e-8);
        assert_eq!(pearson([(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)].into_iter()).0, None, "no spread");
    }

    #[test]
    fn bounds_are_ones_twos_and_fives() {
        for (most, expected) in [(0.0, 1.0), (0.3, 0.5), (1.0, 1.0), (1.1, 2.0), (7.0, 10.0), (f32::NAN, 1.0)]
        {
            assert!((bound(most) - expected).abs() < 1e-6, "{most}: {}", bound(most));
        }
    }
}
