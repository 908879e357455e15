//! The model's margins as a session keeps them.

use std::collections::HashMap;

use crate::checkpoint::Reading;
use crate::session::{Book, Digest};

/// Reward of the first answer minus that of the other, of every example whose answers both have a greedy critique as they
/// came, read in place; the newest take of each answer counts.
pub fn margins(book: &Book) -> HashMap<Digest, f64> {
    let mut rewards: HashMap<(&Digest, usize), f32> = HashMap::new();
    for take in book.takes() {
        let made = &take.made;
        let as_it_came = made.prompt.is_none() && made.text.is_none() && made.critique_prompt.is_none();
        let in_place = take.judged.iter().find(|judged| judged.reading == Reading::InPlace);
        if let Some(judged) = in_place.filter(|_| as_it_came && take.how().way == "greedy") {
            rewards.insert((&made.example, made.answer), judged.reward);
        }
    }
    let margin = |example: &Digest| {
        let reward = |answer| rewards.get(&(example, answer)).map(|r| f64::from(*r));
        Some(reward(0)? - reward(1)?)
    };
    let firsts = rewards.keys().filter(|(_, answer)| *answer == 0);
    firsts.filter_map(|(example, _)| Some(((*example).clone(), margin(example)?))).collect()
}
