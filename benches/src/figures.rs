//! What was measured: one figure per round, tool and step, and their medians.

use std::collections::BTreeMap;

use crate::files::Extent;
use crate::measure::Sample;
use crate::tool::Step;

/// One timed run and the store that it left.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What the run used.
    pub sample: Sample,
    /// The store afterwards, for steps that write it.
    pub store: Option<Extent>,
}

/// A quantity that a figure holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Seconds from start to end.
    Wall,
    /// Seconds of processor time, user and system.
    Processor,
    /// Peak resident bytes.
    Resident,
    /// Seconds of syncing that the tool left to the system.
    Sync,
    /// Bytes in the store's files.
    Store,
    /// Bytes that the disk set aside for the store.
    Allocated,
}

/// A step that a tool could not do.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// The tool.
    pub tool: &'static str,
    /// What went wrong.
    pub why: String,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Figures {
    figures: BTreeMap<(Step, &'static str), Vec<Figure>>,
    inputs: BTreeMap<Step, u64>,
    /// What could not be measured although it should have been.
    pub failures: Vec<Failure>,
}

impl Metric {
    fn of(self, figure: &Figure) -> Option<f64> {
        match self {
            Self::Wall => Some(figure.sample.wall.as_secs_f64()),
            Self::Processor => Some(figure.sample.processor.as_secs_f64()),
            Self::Resident => Some(figure.sample.resident_bytes as f64),
            Self::Sync => Some(figure.sample.sync.as_secs_f64()),
            Self::Store => figure.store.map(|store| store.bytes as f64),
            Self::Allocated => figure.store.map(|store| store.allocated_bytes as f64),
        }
    }
}

impl Figures {
    /// Adds the figure of one round.
    pub fn add(&mut self, step: Step, tool: &'static str, figure: Figure) {
        self.figures.entry((step, tool)).or_default().push(figure);
    }

    /// Notes how many bytes go through a step.
    pub fn set_input(&mut self, step: Step, bytes: u64) {
        self.inputs.insert(step, bytes);
    }

    /// Returns how many bytes go through a step.
    pub fn input(&self, step: Step) -> Option<u64> {
        self.inputs.get(&step).copied()
    }

    /// Returns the steps that have figures, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<_> = self.figures.keys().map(|(step, _)| *step).collect();
        steps.dedup();
        steps
    }

    /// Returns the rounds of one step and tool.
    pub fn rounds(&self, step: Step, tool: &str) -> &[Figure] {
        let key = self.figures.keys().find(|(s, t)| *s == step && *t == tool);
        key.and_then(|key| self.figures.get(key)).map_or(&[], Vec::as_slice)
    }

    /// Returns the median over the rounds.
    pub fn median(&self, step: Step, tool: &str, metric: Metric) -> Option<f64> {
        let mut values = self.values(step, tool, metric);
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            even if even % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
            _ => Some(values[middle]),
        }
    }

    /// Returns the smallest and the largest of the rounds.
    pub fn range(&self, step: Step, tool: &str, metric: Metric) -> Option<(f64, f64)> {
        let values = self.values(step, tool, metric);
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        Some((least, most))
    }

    fn values(&self, step: Step, tool: &str, metric: Metric) -> Vec<f64> {
        self.rounds(step, tool).iter().filter_map(|figure| metric.of(figure)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn medians_stand_in_the_middle() {
        let mut figures = Figures::default();
        assert_eq!(figures.median(Step::Put, "it", Metric::Wall), None);
        for (seconds, want) in [(9, 9.0), (1, 5.0), (2, 2.0), (8, 5.0)] {
            let sample = Sample { wall: Duration::from_secs(seconds), ..Sample::default() };
            figures.add(Step::Put, "it", Figure { sample, store: None });
            assert_eq!(figures.median(Step::Put, "it", Metric::Wall), Some(want));
        }
        assert_eq!(figures.range(Step::Put, "it", Metric::Wall), Some((1.0, 9.0)));
        assert_eq!(figures.median(Step::Put, "it", Metric::Store), None);
        assert_eq!(figures.median(Step::Get, "it", Metric::Wall), None);
    }
}
