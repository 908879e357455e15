//! A problem: a scene, a number to start with, events that change it, and a question about one moment.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::numbers::{Calc, Numbers, Op, Random, divisor};
use super::templates::{EventOp, EventTemplate, Library, Markers, Scene, Set};

/// What a story shall be like; everything else is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Calculations up to the moment asked for (1 to 6).
    pub steps: usize,
    /// Events told after the moment asked for.
    pub after: usize,
    /// Which scenes.
    pub scenes: Set,
    /// How large numbers are.
    pub numbers: Numbers,
    /// Whether names and things are made-up words.
    pub invented: bool,
    /// Whether sentences come from all scenes and have words put in that do not belong there.
    pub noisy: bool,
    /// Share of verbs among the words put into sentences of products and quotients: there the number word counts.
    pub verbs: f64,
}

/// A problem with its true values.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Scene and templates of the events, for counting.
    pub templates: Vec<String>,
    /// The text put to the answerer.
    pub prompt: String,
    /// The number at the start.
    pub start: u32,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// How many of the events lie before the moment asked for (at least 1).
    pub asked: usize,
    /// That moment in words: `in the end`, `after Tuesday`.
    pub when: String,
    /// What is counted.
    pub items: String,
    /// The number that does not matter, if one is told.
    pub aside: Option<u32>,
}

/// One event with its sentence and the calculations it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Day or month.
    pub marker: String,
    /// The preposition the marker takes.
    pub preposition: String,
    /// The sentence without marker.
    pub text: String,
    /// How it changes the number.
    pub change: Change,
    /// The running total after it.
    pub value: u32,
}

/// A change of the running total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `total op by`.
    One {
        /// Operation.
        op: Op,
        /// Operand.
        by: u32,
    },
    /// `size x count`, then `total op that`.
    Packs {
        /// Sum or difference.
        op: Op,
        /// How many packs.
        count: u32,
        /// How much in each.
        size: u32,
    },
}

impl Change {
    /// The product to work out first, if any.
    pub const fn product(self) -> Option<Calc> {
        match self {
            Self::One { .. } => None,
            Self::Packs { count, size, .. } => Some(Calc { left: size, op: Op::Mul, right: count }),
        }
    }

    /// The operation on the running total.
    pub const fn op(self) -> Op {
        match self {
            Self::One { op, .. } | Self::Packs { op, .. } => op,
        }
    }

    /// Number of calculations: 1 or 2.
    pub const fn steps(self) -> usize {
        match self {
            Self::One { .. } => 1,
            Self::Packs { .. } => 2,
        }
    }

    /// The calculations on a running total of `total`; `None` where a result is no whole number of at least 1.
    pub fn calcs(self, total: u32) -> Option<Vec<Calc>> {
        let mut calcs = Vec::with_capacity(2);
        let right = match (self, self.product()) {
            (Self::One { by, .. }, _) => by,
            (Self::Packs { .. }, Some(product)) => {
                calcs.push(product);
                product.value()?
            }
            (Self::Packs { .. }, None) => return None,
        };
        let calc = Calc { left: total, op: self.op(), right };
        calc.value()?;
        calcs.push(calc);
        Some(calcs)
    }
}

impl Story {
    /// Calculations of each event told, in order, on the true values.
    pub fn calcs(&self) -> Vec<Vec<Calc>> {
        let mut total = self.start;
        let mut all = Vec::with_capacity(self.events.len());
        for event in &self.events {
            all.push(event.change.calcs(total).unwrap_or_default());
            total = event.value;
        }
        all
    }

    /// Calculations up to the moment asked for.
    pub fn steps(&self) -> usize {
        self.events.iter().take(self.asked).map(|e| e.change.steps()).sum()
    }

    /// The running total after the first `events` events.
    pub fn total_after(&self, events: usize) -> u32 {
        events.checked_sub(1).and_then(|last| self.events.get(last)).map_or(self.start, |event| event.value)
    }

    /// The right answer.
    pub fn answer(&self) -> u32 {
        self.total_after(self.asked)
    }

    /// Draws a story; `None` when the numbers drawn lead nowhere (draw again).
    pub fn draw(rng: &mut Random, library: &Library, wish: Wish) -> Option<Self> {
        let scene = *library.of(wish.scenes).choose(rng)?;
        let cast = Cast::draw(rng, library, scene, wish.invented)?;
        let markers = library.markers.choose(rng)?;
        let first = rng.random_range(0..u32::try_from(markers.names.len()).ok()?) as usize;

        let start = wish.numbers.start(rng);
        let mut teller = Teller {
            rng,
            scene,
            markers,
            cast: &cast,
            numbers: wish.numbers,
            noise: wish.noisy.then_some(library),
            mixed: if wish.scenes == Set::Wider { Set::Wider } else { Set::Seen },
            verbs: wish.verbs,
            events: Vec::new(),
            used: Vec::new(),
        };
        let mut templates = vec![scene.name.clone()];
        let (mut total, mut steps, mut asked) = (start, 0, 0);
        while steps < wish.steps || teller.events.len() < asked + wish.after {
            let room = if steps < wish.steps { wish.steps - steps } else { 2 };
            let (template, event) = teller.event(total, first, room)?;
            templates.push(template);
            total = event.value;
            if steps < wish.steps {
                steps += event.change.steps();
                asked += 1;
            }
            teller.events.push(event);
        }
        let events = teller.events;
        let when = match (events.len() > asked, asked.checked_sub(1).and_then(|i| events.get(i))) {
            (true, Some(event)) => format!("after {}", event.marker),
            _ => "in the end".to_owned(),
        };
        let noise = wish.noisy.then_some(library);
        let (prompt, aside) = tell(rng, scene, &cast, start, &events, &when, noise)?;
        Some(Self { templates, prompt, start, events, asked, when, items: cast.items, aside })
    }
}

/// Who and what the story is about.
struct Cast {
    name: String,
    she: String,
    her: String,
    other: String,
    items: String,
}

impl Cast {
    fn draw(rng: &mut Random, library: &Library, scene: &Scene, invented: bool) -> Option<Self> {
        let person = library.people.choose(rng)?;
        let other = library.people.choose(rng).filter(|other| other.name != person.name)?.name.clone();
        let (name, she, her) = match scene.names.choose(rng) {
            None => (person.name.clone(), person.she.clone(), person.her.clone()),
            Some(name) => (name.clone(), "it".to_owned(), "it".to_owned()),
        };
        let mut cast = Self { name, she, her, other, items: scene.items.choose(rng)?.clone() };
        if invented {
            let word = invented_word(rng);
            match rng.random_range(0..3) {
                0 if scene.names.is_empty() => cast.name = capitalised(&word),
                1 => cast.other = capitalised(&word),
                _ => cast.items = format!("{word}s"),
            }
        }
        Some(cast)
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{name}", &self.name)
            .replace("{she}", &self.she)
            .replace("{her}", &self.her)
            .replace("{other}", &self.other)
            .replace("{items}", &self.items)
    }
}

struct Teller<'a> {
    rng: &'a mut Random,
    scene: &'a Scene,
    markers: &'a Markers,
    cast: &'a Cast,
    numbers: Numbers,
    /// Sentences of all scenes, and words to put in between.
    noise: Option<&'a Library>,
    /// The scenes those sentences come from.
    mixed: Set,
    verbs: f64,
    events: Vec<Event>,
    used: Vec<String>,
}

impl Teller<'_> {
    /// The next event on a running total of `total`, with at most `room` calculations.
    fn event(&mut self, total: u32, first: usize, room: usize) -> Option<(String, Event)> {
        for _ in 0..12 {
            let op = *match self.rng.random_range(0..20) {
                0..5 => &[EventOp::Add][..],
                5..10 => &[EventOp::Sub],
                10..13 => &[EventOp::Mul],
                13..17 => &[EventOp::Div],
                _ => &[EventOp::AddPacks, EventOp::SubPacks],
            }
            .choose(self.rng)?;
            if op.packs() && room < 2 {
                continue;
            }
            // The same sentence twice in a story is dull.
            let used = &self.used;
            let scene = match self.noise {
                Some(library) => *library.of(self.mixed).choose(self.rng)?,
                None => self.scene,
            };
            let choices: Vec<&EventTemplate> =
                scene.event.iter().filter(|e| e.op == op && !used.contains(&e.text)).collect();
            let Some(template) = choices.choose(self.rng) else { continue };
            let Some((change, value)) = self.change(template, total) else { continue };
            let mut text = self.sentence(template, change);
            if let Some(library) = self.noise {
                let verbs = if matches!(template.op, EventOp::Mul | EventOp::Div) { self.verbs } else { 0.0 };
                text = noisy(self.rng, library, &text, verbs);
            }
            self.used.push(template.text.clone());
            let place = (first + self.events.len()) % self.markers.names.len();
            let marker = self.markers.names.get(place)?.clone();
            let preposition = self.markers.preposition.clone();
            let template = format!("{}: {}", scene.name, template.text);
            return Some((template, Event { marker, preposition, text, change, value }));
        }
        None
    }

    fn change(&mut self, template: &EventTemplate, total: u32) -> Option<(Change, u32)> {
        let op = template.op.op();
        let (low, high) = self.numbers.range();
        let change = if template.op.packs() {
            let size = self.numbers.operand(self.rng);
            Change::Packs { op, count: self.rng.random_range(2..10), size }
        } else {
            let by = match (template.by, op) {
                (Some(by), _) => by,
                (None, Op::Mul) => self.rng.random_range(2..10),
                (None, Op::Div) => divisor(self.rng, total)?,
                (None, Op::Add | Op::Sub) => self.numbers.operand(self.rng),
            };
            Change::One { op, by }
        };
        let calcs = change.calcs(total)?;
        let value = calcs.last()?.value()?;
        let fits =
            (low..=high).contains(&value) && calcs.iter().all(|c| c.value().is_some_and(|v| v <= high));
        fits.then_some((change, value))
    }

    fn sentence(&self, template: &EventTemplate, change: Change) -> String {
        let text = self.cast.fill(&template.text);
        match change {
            Change::One { by, .. } => text.replace("{n}", &by.to_string()),
            Change::Packs { count, size, .. } => {
                text.replace("{m}", &count.to_string()).replace("{n}", &size.to_string())
            }
        }
    }
}

/// Words that do not belong there, put between those of a sentence: it has to be read, not recognised.
fn noisy(rng: &mut Random, library: &Library, sentence: &str, verbs: f64) -> String {
    let share = *[0.0, 0.1, 0.3].choose(rng).unwrap_or(&0.0);
    let mut words: Vec<String> = Vec::new();
    let mut put_in = |words: &mut Vec<String>| {
        while rng.random_bool(share) {
            let verb = verbs > 0.0 && rng.random_bool(verbs);
            let known = if verb { &library.verbs } else { &library.filler };
            let known = known.choose(rng).filter(|_| rng.random_bool(0.7));
            words.push(known.cloned().unwrap_or_else(|| invented_word(rng)));
        }
    };
    for word in sentence.split(' ') {
        put_in(&mut words);
        words.push(word.to_owned());
    }
    put_in(&mut words);
    words.join(" ")
}

fn tell(
    rng: &mut Random,
    scene: &Scene,
    cast: &Cast,
    start: u32,
    events: &[Event],
    when: &str,
    noise: Option<&Library>,
) -> Option<(String, Option<u32>)> {
    let mut open = capitalised(&cast.fill(scene.open.choose(rng)?).replace("{start}", &start.to_string()));
    if let Some(library) = noise {
        open = noisy(rng, library, open.trim_end_matches('.'), 0.0) + ".";
    }
    let mut sentences = vec![open];
    sentences.extend(events.iter().map(|e| format!("{} {} {}.", e.preposition, e.marker, e.text)));
    let aside = rng.random_bool(0.35).then(|| rng.random_range(2..100));
    if let Some(k) = aside {
        let text = capitalised(&cast.fill(scene.aside.choose(rng)?).replace("{k}", &k.to_string()));
        let place = rng.random_range(1..=u32::try_from(sentences.len()).ok()?) as usize;
        sentences.insert(place, text);
    }
    sentences.push(capitalised(&cast.fill(scene.ask.choose(rng)?).replace("{when}", when)));
    Some((sentences.join(" "), aside))
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A pronounceable word that is (almost surely) in no template, so that the model learns to spell what it does not know.
fn invented_word(rng: &mut Random) -> String {
    const ONSETS: [&str; 16] =
        ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z"];
    const VOWELS: [&str; 5] = ["a", "e", "i", "o", "u"];
    const CODAS: [&str; 8] = ["b", "ck", "g", "l", "n", "r", "t", "x"];
    let mut word = String::new();
    for _ in 0..rng.random_range(1..3) {
        for part in [&ONSETS[..], &VOWELS[..]] {
            word.push_str(part.choose(rng).copied().unwrap_or_default());
        }
    }
    word.push_str(CODAS.choose(rng).copied().unwrap_or_default());
    word
}
