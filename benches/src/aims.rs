//! What vigil is held to, and whether it gets there.

use crate::figures::{Figures, Metric};
use crate::outside::{CP, CP_ALL, SHA_LIMIT, SHA256SUM, TAR_ZSTD, WRITE_LIMIT};
use crate::tool::Step;
use crate::vigil;

/// What a figure is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At most this many times what the slowest or largest of these tools needs.
    Times(f64, &'static [&'static str]),
    /// At most this many bytes.
    Bytes(f64),
    /// At least this many bytes of input in a second.
    Rate(f64),
}

/// One aim.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// The aim in words.
    pub text: &'static str,
    /// The step whose figure counts; none means the worst of all steps.
    pub step: Option<Step>,
    /// Which figure counts.
    pub metric: Metric,
    /// What it is compared with.
    pub bound: Bound,
}

/// How an aim came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// A figure that the aim needs was not measured in this run.
    NotMeasured,
    /// Both were.
    Measured {
        /// Whether the aim is reached.
        reached: bool,
        /// The ratio, rate or size that the aim speaks of.
        value: f64,
        /// How it came about.
        reckoning: String,
    },
}

/// A gigabyte, as disks and links count.
const GB: f64 = 1e9;

/// A mebibyte, as memory counts.
const MIB: f64 = 1_048_576.0;

/// Every aim of the store.
pub const AIMS: &[Aim] = &[
    times("put ≤ 0.30 × restic", Step::Put, Metric::Wall, 0.30, &["restic"]),
    times("put ≤ 0.75 × bupstash", Step::Put, Metric::Wall, 0.75, &["bupstash"]),
    times("put ≤ 1.2 × tar | zstd -1", Step::Put, Metric::Wall, 1.2, &[TAR_ZSTD]),
    times("put again ≤ 0.20 × restic", Step::PutAgain, Metric::Wall, 0.20, &["restic"]),
    times("get ≤ 1.0 × cp -r", Step::GetPlain, Metric::Wall, 1.0, &[CP]),
    times("get with metadata ≤ 1.0 × cp -a", Step::Get, Metric::Wall, 1.0, &[CP_ALL]),
    times("store size ≤ 1.0 × bupstash", Step::Put, Metric::Store, 1.0, &["bupstash"]),
    times("tar stream ≤ 2 × zstd -d of the tar", Step::Stream, Metric::Wall, 2.0, &[TAR_ZSTD]),
    times("check ≤ 1.0 × sha256sum", Step::Check, Metric::Wall, 1.0, &[SHA256SUM]),
    times(
        "big put ≤ 1.3 × slower of SHA-256 on one core, write + fdatasync",
        Step::BigPut,
        Metric::Wall,
        1.3,
        &[SHA_LIMIT, WRITE_LIMIT],
    ),
    Aim {
        text: "big cat ≥ 1.5 GB/s",
        step: Some(Step::BigCat),
        metric: Metric::Wall,
        bound: Bound::Rate(1.5 * GB),
    },
    Aim {
        text: "peak memory ≤ 256 MiB, whatever the input",
        step: None,
        metric: Metric::Resident,
        bound: Bound::Bytes(256.0 * MIB),
    },
];

const fn times(
    text: &'static str,
    step: Step,
    metric: Metric,
    factor: f64,
    tools: &'static [&'static str],
) -> Aim {
    Aim { text, step: Some(step), metric, bound: Bound::Times(factor, tools) }
}

impl Aim {
    /// Compares vigil's medians with the aim.
    pub fn judge(&self, figures: &Figures) -> Verdict {
        self.measured(figures).unwrap_or(Verdict::NotMeasured)
    }

    fn measured(&self, figures: &Figures) -> Option<Verdict> {
        let (step, ours) = self.ours(figures)?;
        Some(match self.bound {
            Bound::Times(factor, tools) => {
                let all = tools.iter().map(|tool| figures.median(step, tool, self.metric));
                let theirs = all.collect::<Option<Vec<_>>>()?.into_iter().reduce(f64::max)?;
                let value = ours / theirs;
                let (ours, theirs) = (self.shown(ours), self.shown(theirs));
                let reckoning = format!("{ours} ÷ {theirs}");
                Verdict::Measured { reached: value <= factor, value, reckoning }
            }
            Bound::Bytes(most) => {
                let reckoning = format!("{}, worst in `{step}`", self.shown(ours));
                Verdict::Measured { reached: ours <= most, value: ours / most, reckoning }
            }
            Bound::Rate(least) => {
                let bytes = figures.input(step)? as f64;
                let value = bytes / ours / GB;
                let reckoning = format!("GB/s: {:.2} GB in {}", bytes / GB, self.shown(ours));
                Verdict::Measured { reached: value * GB >= least, value, reckoning }
            }
        })
    }

    /// Returns vigil's figure: of the aim's step, or the worst of any.
    fn ours(&self, figures: &Figures) -> Option<(Step, f64)> {
        let steps = self.step.map_or_else(|| figures.steps(), |step| vec![step]);
        steps
            .into_iter()
            .filter_map(|step| Some((step, figures.median(step, vigil::NAME, self.metric)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn shown(&self, value: f64) -> String {
        match self.metric {
            Metric::Wall | Metric::Processor | Metric::Sync => format!("{value:.3} s"),
            Metric::Resident => format!("{:.0} MiB", value / MIB),
            Metric::Store | Metric::Allocated => format!("{:.1} MB", value / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::Figure;
    use crate::measure::Sample;

    fn figures(walls: &[(Step, &'static str, u64)]) -> Figures {
        let mut figures = Figures::default();
        for (step, tool, milliseconds) in walls {
            let wall = Duration::from_millis(*milliseconds);
            let resident_bytes = 1_000_000 * milliseconds;
            let sample = Sample { wall, resident_bytes, ..Sample::default() };
            figures.add(*step, tool, Figure { sample, store: None });
        }
        figures
    }

    #[track_caller]
    fn check(start: &str, figures: &Figures, want: Option<(bool, f64)>) {
        let aim = AIMS.iter().find(|aim| aim.text.starts_with(start)).expect("such an aim");
        let got = match aim.judge(figures) {
            Verdict::NotMeasured => None,
            Verdict::Measured { reached, value, .. } => Some((reached, value)),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn a_missing_figure_is_no_verdict() {
        check("put ≤ 0.30", &figures(&[(Step::Put, "restic", 1_000)]), None);
        check("put ≤ 0.30", &figures(&[(Step::Put, "vigil", 1_000)]), None);
        let one_of_two = [(Step::BigPut, "vigil", 1_000), (Step::BigPut, WRITE_LIMIT, 1_000)];
        check("big put", &figures(&one_of_two), None);
    }

    #[test]
    fn ratios_rates_and_bytes_are_judged() {
        let both = |ours| figures(&[(Step::Put, "restic", 1_000), (Step::Put, "vigil", ours)]);
        check("put ≤ 0.30", &both(300), Some((true, 0.3)));
        check("put ≤ 0.30", &both(301), Some((false, 0.301)));
        // The slower of the two limits counts.
        let limits = [
            (Step::BigPut, "vigil", 2_000),
            (Step::BigPut, WRITE_LIMIT, 1_600),
            (Step::BigPut, SHA_LIMIT, 1_000),
        ];
        check("big put", &figures(&limits), Some((true, 1.25)));
        let mut cat = figures(&[(Step::BigCat, "vigil", 2_000)]);
        cat.set_input(Step::BigCat, 4_000_000_000);
        check("big cat", &cat, Some((true, 2.0)));
        let memory = figures(&[(Step::Put, "vigil", 100), (Step::Get, "vigil", 300)]);
        check("peak memory", &memory, Some((false, 3e8 / (256.0 * MIB))));
    }
}
