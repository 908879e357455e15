//! The report's picture, an SVG: accuracy by steps, self-consistency and best-of-N, each point with its interval.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{Curve, Report};
use super::statistics::Estimate;
use crate::{Error, Result};

/// Colours that the colour-blind can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
    RGBColor(190, 190, 190),
];
const SIZE: (u32, u32) = (1320, 900);

struct Line {
    name: String,
    points: Vec<(f64, Estimate)>,
}

struct Panel<'a> {
    title: String,
    x: &'a str,
    /// Labels of x = 0, 1, 2, ...
    ticks: Vec<String>,
    lines: Vec<Line>,
}

/// Draws the report.
///
/// # Errors
/// When the drawing library fails.
pub fn draw(report: &Report) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let (top, bottom) = root.split_vertically(SIZE.1 / 2);
        let sets = top.split_evenly((1, report.sets.len().max(1)));
        for (area, set) in sets.iter().zip(&report.sets) {
            let lines = set
                .accuracy
                .iter()
                .map(|measure| Line { name: measure.name.clone(), points: indexed(&measure.by_steps) })
                .collect();
            let ticks = (1..=6).map(|n| n.to_string()).collect();
            panel(
                area,
                Panel { title: format!("Preference accuracy: {}", set.name), x: "steps", ticks, lines },
            )?;
        }
        let curves = bottom.split_evenly((1, 2));
        if let [left, right] = curves.as_slice() {
            let title = "Self-consistency: mean reward of N critiques".to_owned();
            panel(left, Panel { title, x: "N", ..over_n(report.self_consistency.iter()) })?;
            let title = "Best of N answers: the best one is right".to_owned();
            let all = report.best_of.iter().filter(|curve| curve.name.ends_with(", all"));
            panel(right, Panel { title, x: "N", ..over_n(all) })?;
        }
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::invalid("the report's chart", error.to_string(), "a drawing", "Report this as a defect.")
}

fn indexed(estimates: &[Estimate]) -> Vec<(f64, Estimate)> {
    (0..).zip(estimates).filter(|(_, e)| e.n > 0).map(|(x, e)| (f64::from(x), *e)).collect()
}

fn over_n<'a, 'b>(curves: impl Iterator<Item = &'b Curve>) -> Panel<'a> {
    let mut lines: Vec<Line> = Vec::new();
    let mut ticks: Vec<String> = Vec::new();
    for curve in curves {
        if lines.iter().any(|line| line.name == curve.name) {
            continue;
        }
        if curve.points.len() > ticks.len() {
            ticks = curve.points.iter().map(|(n, _)| n.to_string()).collect();
        }
        let estimates: Vec<Estimate> = curve.points.iter().map(|(_, e)| *e).collect();
        lines.push(Line { name: curve.name.clone(), points: indexed(&estimates) });
    }
    Panel { title: String::new(), x: "", ticks, lines }
}

fn panel(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: Panel<'_>) -> Result<()> {
    let lowest = panel.lines.iter().flat_map(|l| &l.points).map(|(_, e)| e.low).fold(0.5_f64, f64::min);
    let floor = (lowest * 10.0).floor() / 10.0;
    let last = panel.ticks.len().saturating_sub(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 17))
        .margin(14)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.3..last + 0.3, floor..1.005)
        .map_err(failed)?;
    let ticks = panel.ticks.clone();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(panel.x)
        .x_labels(panel.ticks.len() * 2)
        .x_label_formatter(&|x| {
            let whole = (x - x.round()).abs() < 1e-6 && *x >= -1e-6;
            if whole { ticks.get(x.round() as usize).cloned().unwrap_or_default() } else { String::new() }
        })
        .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
        .label_style(("sans-serif", 13))
        .draw()
        .map_err(failed)?;
    let count = panel.lines.len() as f64;
    for (index, line) in panel.lines.iter().enumerate() {
        let colour = COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK);
        // Side by side, so that intervals do not hide each other.
        let aside = (index as f64 - (count - 1.0) / 2.0) * 0.05;
        let points: Vec<(f64, Estimate)> = line.points.iter().map(|(x, e)| (x + aside, *e)).collect();
        chart
            .draw_series(LineSeries::new(points.iter().map(|(x, e)| (*x, e.value)), colour.stroke_width(2)))
            .map_err(failed)?
            .label(&line.name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
        chart
            .draw_series(
                points.iter().map(|(x, e)| PathElement::new(vec![(*x, e.low), (*x, e.high)], colour)),
            )
            .map_err(failed)?;
        chart
            .draw_series(points.iter().map(|(x, e)| Circle::new((*x, e.value), 3, colour.filled())))
            .map_err(failed)?;
    }
    let anchor = Pos::new(HPos::Left, VPos::Center);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .margin(10)
        .label_font(("sans-serif", 12).into_font().into_text_style(area).pos(anchor))
        .background_style(WHITE.mix(0.85))
        .draw()
        .map_err(failed)
}
