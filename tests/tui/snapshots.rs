//! What is drawn: states x sizes, and the two most seen states x sizes x depths of colour with their styles.

use std::fmt::Write as _;
use std::time::Instant;

use outloud::app::{Example, Msg};
use outloud::engine::{Event, Request};
use outloud::widgets::Depth;
use ratatui::buffer::Buffer;
use ratatui::style::Style;

use crate::stage::{Stage, text};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (160, 45)];

pub fn shots(name: &str, stage: &mut Stage) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("{name}-{width}x{height}"), stage.text(width, height));
    }
}

/// Text, then under each row the letters of its styles, then what the letters mean.
fn styled(buffer: &Buffer) -> String {
    let mut styles: Vec<Style> = Vec::new();
    let mut out = String::new();
    for (y, row) in text(buffer).lines().enumerate() {
        let letters: String = (0..buffer.area.width)
            .map(|x| {
                let style = buffer[(x, y as u16)].style();
                let at = styles.iter().position(|s| *s == style).unwrap_or_else(|| {
                    styles.push(style);
                    styles.len() - 1
                });
                char::from_u32('a' as u32 + at as u32).unwrap()
            })
            .collect();
        writeln!(out, "{row}\n{}", letters.trim_end_matches('a')).unwrap();
    }
    for (at, style) in styles.iter().enumerate() {
        let letter = char::from_u32('a' as u32 + at as u32).unwrap();
        writeln!(out, "{letter}: {:?} on {:?} {:?}", style.fg, style.bg, style.add_modifier).unwrap();
    }
    out
}

pub fn coloured(name: &str, stage: &mut Stage) {
    for (width, height) in SIZES {
        for (depth, label) in [(Depth::True, "true"), (Depth::Sixteen, "16"), (Depth::None, "none")] {
            let buffer = stage.draw(width, height, depth);
            insta::assert_snapshot!(format!("{name}-{width}x{height}-{label}"), styled(&buffer));
        }
    }
}

#[test]
fn loading() {
    shots("loading", &mut Stage::demo());
}

#[test]
fn streaming() {
    let mut stage = Stage::demo();
    stage.step(2 + 3 + 2 * 20);
    coloured("streaming", &mut stage);
}

#[test]
fn finished() {
    coloured("finished", &mut Stage::finished());
}

#[test]
fn finished_with_the_cursor_on_the_biggest_move() {
    let mut stage = Stage::finished();
    stage.press("m");
    shots("cursor", &mut stage);
}

#[test]
fn a_finished_pair() {
    let mut stage = Stage::finished();
    stage.press("J J space").play();
    coloured("pair", &mut stage);
    stage.press("v h h");
    shots("pair-rejected", &mut stage);
}

#[test]
fn a_pair_being_written() {
    let mut stage = Stage::finished();
    stage.press("J J space").step(40);
    shots("pair-streaming", &mut stage);
}

#[test]
fn an_error() {
    let mut stage = Stage::demo();
    let Request::Load { ticket, .. } = stage.requests[0] else { panic!() };
    let error = "/models/rm/model.safetensors: found embed_tokens, norm, 32 layers, expected reward_head.out_proj.weight. \
                 Give a checkpoint with a reward head.";
    stage.send(Msg::Engine(Event::Failed { ticket, error: error.into() }));
    shots("error", &mut stage);
    stage.press("x");
    shots("error-in-full", &mut stage);
}

#[test]
fn editing_a_critique() {
    let mut stage = Stage::finished();
    stage.press("e backspace backspace backspace backspace backspace 'good_.'").rest(100).play();
    coloured("editing", &mut stage);
    stage.press("esc");
    shots("edited", &mut stage);
    stage.press("t");
    shots("takes", &mut stage);
}

#[test]
fn sampled_critiques() {
    let mut stage = Stage::finished();
    stage.press("N").play();
    shots("samples", &mut stage);
}

#[test]
fn a_pair_compared_with_its_swap_table() {
    let mut stage = Stage::finished();
    stage.press("J J space").play().press("g c x").play();
    shots("compare", &mut stage);
    coloured("compare", &mut stage);
}

#[test]
fn labelling_a_pair_blind_and_revealed() {
    let mut desk = crate::labelling::Desk::open("ana", Vec::new());
    desk.stage.play();
    desk.rest(20_000).press("1").rest(25_000).press("4 f t 1 enter").save();
    coloured("label", &mut desk.stage);
    desk.press("r").save();
    coloured("label-revealed", &mut desk.stage);
    desk.press("c j y n").save();
    shots("label-critique", &mut desk.stage);
    desk.press("esc l");
    shots("label-pairs", &mut desk.stage);
    desk.press("esc t");
    shots("label-tags", &mut desk.stage);
    desk.press("esc a");
    shots("label-agreement", &mut desk.stage);
}

#[test]
fn settling_a_conflict() {
    let mut desk = crate::labelling::apart();
    desk.press("C enter");
    shots("label-conflict", &mut desk.stage);
}

#[test]
fn steering_at_a_token() {
    let mut stage = Stage::finished();
    stage.press("g g l l l enter");
    shots("steer", &mut stage);
}

#[test]
fn help() {
    let mut stage = Stage::finished();
    stage.press("?");
    shots("help", &mut stage);
}

#[test]
fn typing_a_new_example() {
    let mut stage = Stage::finished();
    stage
        .press("n")
        .send(Msg::Paste("Say hello in Chinese.\nAnd in French.".into()))
        .press("tab '你好!_Bonjour'");
    shots("entry", &mut stage);
}

#[test]
fn a_tiny_terminal() {
    let mut stage = Stage::finished();
    insta::assert_snapshot!("tiny-59x15", stage.text(59, 15));
    insta::assert_snapshot!("smallest-60x16", stage.text(60, 16));
    stage.text(1, 1);
}

#[test]
fn wide_right_to_left_and_combining_text() {
    let answer = "世界 مرحبا שלום e\u{301}\u{302} 👩\u{200d}💻 👍🏽 \u{202e}evil\u{202c} zero\u{200b}width \x1b[31mred\x1b[0m \
                  <|eot_id|>\n\n# 見出し\n\n- **太字** と `コード`\n- น้ำ देवनागरी\n\n```python\nprint('→')\t# tab\n```";
    let mut stage =
        Stage::on(vec![Example::text("متن 文字", "Say it in every script: ไทย, 한국어, ελληνικά", answer)]);
    stage.play();
    shots("scripts", &mut stage);
}

#[test]
fn a_frame_takes_less_than_four_milliseconds() {
    let mut stage = Stage::finished();
    stage.draw(160, 45, Depth::True);
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let start = Instant::now();
            stage.draw(160, 45, Depth::True);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    // The best of many: other tests share the processor.
    assert!(times[0] < 4.0, "{times:?} ms");
}
