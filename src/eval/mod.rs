//! What a critic of stories must show: outcomes read from the files of `outloud critique` and `score`, then tables and charts.
//!
//! Owns: baselines, intervals, what is counted, the report. Pure functions of files; the work of the models is done by
//! `outloud`'s own commands (see `recipe::evaluation`). Never imports `engine` or anything of the screen.

pub mod baselines;
pub mod before_after;
pub mod best_of;
pub mod chart;
pub mod lines;
pub mod outcomes;
pub mod report;
pub mod self_consistency;
pub mod statistics;
pub mod tables;

pub use report::Report;
