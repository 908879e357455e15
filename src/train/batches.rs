//! Which pairs each step takes: a function of seed and step alone, so that a resumed run goes on where it was.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Batches sorted together when rows of similar length are grouped.
const GROUP: usize = 32;

/// The order of the data.
#[derive(Clone, Debug)]
pub struct Batches {
    lens: Vec<usize>,
    batch: usize,
    seed: u64,
    grouped: bool,
    epoch: Option<(usize, Vec<Vec<usize>>)>,
}

impl Batches {
    /// `lens`: tokens of each pair. The last batch of an epoch may be smaller.
    pub fn new(lens: Vec<usize>, batch: usize, seed: u64, grouped: bool) -> Self {
        Self { batch: batch.clamp(1, lens.len().max(1)), lens, seed, grouped, epoch: None }
    }

    /// Steps of one pass over the data.
    pub fn per_epoch(&self) -> usize {
        self.lens.len().div_ceil(self.batch).max(1)
    }

    /// The epoch of step `step` (from 0) and the pairs it takes.
    pub fn of_step(&mut self, step: usize) -> (usize, Vec<usize>) {
        let (epoch, at) = (step / self.per_epoch(), step % self.per_epoch());
        if self.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            self.epoch = Some((epoch, self.plan(epoch)));
        }
        let batch = self.epoch.as_ref().and_then(|(_, batches)| batches.get(at));
        (epoch, batch.cloned().unwrap_or_default())
    }

    fn plan(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..self.lens.len()).collect();
        order.shuffle(&mut rng);
        if !self.grouped {
            return order.chunks(self.batch).map(<[usize]>::to_vec).collect();
        }
        let len = |pair: &usize| self.lens.get(*pair).copied().unwrap_or_default();
        // The smaller last batch stays last: only whole batches are shuffled.
        let mut batches: Vec<Vec<usize>> = Vec::with_capacity(self.per_epoch());
        for group in order.chunks_mut(GROUP * self.batch) {
            group.sort_by_key(len);
            batches.extend(group.chunks(self.batch).map(<[usize]>::to_vec));
        }
        let whole = batches.iter().filter(|b| b.len() == self.batch).count();
        let (mut full, rest): (Vec<_>, Vec<_>) = batches.into_iter().partition(|b| b.len() == self.batch);
        debug_assert_eq!(full.len(), whole);
        for i in (1..full.len()).rev() {
            full.swap(i, rng.random_range(0..=i));
        }
        full.extend(rest);
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(batches: &mut Batches, epoch: usize) -> Vec<Vec<usize>> {
        let per = batches.per_epoch();
        (epoch * per..(epoch + 1) * per).map(|step| batches.of_step(step).1).collect()
    }

    #[test]
    fn every_pair_once_an_epoch_and_the_same_again() {
        for grouped in [false, true] {
            let lens: Vec<usize> = (0..103).map(|i| i * 37 % 101).collect();
            let mut a = Batches::new(lens.clone(), 10, 5, grouped);
            let first = epoch(&mut a, 0);
            let mut all = first.concat();
            all.sort_unstable();
            assert_eq!(all, (0..103).collect::<Vec<_>>());
            assert_ne!(first, epoch(&mut a, 1));
            let mut b = Batches::new(lens.clone(), 10, 5, grouped);
            assert_eq!(b.of_step(15), a.of_step(15));
            assert_eq!(first, epoch(&mut b, 0));
            assert_ne!(first, epoch(&mut Batches::new(lens, 10, 6, grouped), 0));
        }
    }

    #[test]
    fn grouped_batches_hold_similar_lengths() {
        let lens: Vec<usize> = (0..320).map(|i| i * 7919 % 1000).collect();
        let spread = |grouped| {
            let mut batches = Batches::new(lens.clone(), 10, 1, grouped);
            let spread = |b: &Vec<usize>| {
                let l: Vec<usize> = b.iter().map(|&i| lens[i]).collect();
                l.iter().max().unwrap() - l.iter().min().unwrap()
            };
            epoch(&mut batches, 0).iter().map(spread).sum::<usize>()
        };
        assert!(spread(true) * 5 < spread(false));
    }
}
