use std::time::Duration;

use bytes::Bytes;

use super::fault::{ArmedFault, Do};
use super::stage::{Op, Stage};

/// Changes the bytes of one answer as its faults say. It does no I/O and reads no clock.
///
/// Faults are applied in the order given: what one lets through is what the next one sees and counts.
#[derive(Debug)]
pub struct Transformer {
    stages: Vec<Stage>,
}

impl Transformer {
    /// Prepares the steps for one answer.
    pub fn new(faults: &[ArmedFault]) -> Self {
        Self {
            stages: faults.iter().filter_map(Stage::of).collect(),
        }
    }

    /// Begins the answer: faults that wait for nothing strike now. Call it before the first `push`.
    pub fn start(&mut self) -> Vec<Op> {
        for stage in &self.stages {
            // The header `Content-Encoding` went out already, so this fault strikes once per answer, here.
            if let Stage::Gzip(fault, _) = stage {
                fault.strike();
            }
        }
        self.advance(Duration::ZERO)
    }

    /// Returns when, counted from the start of the answer, `advance` has to be called at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        self.stages.iter().filter_map(Stage::deadline).min()
    }

    /// Takes notice of the time since the start of the answer.
    pub fn advance(&mut self, now: Duration) -> Vec<Op> {
        let mut out = Vec::new();
        for number in 0..self.stages.len() {
            let mut struck = Vec::new();
            if let Some(stage) = self.stages.get_mut(number) {
                stage.advance(now, &mut struck);
            }
            out.extend(self.run(number + 1, struck));
        }
        out
    }

    /// Takes bytes that came from the upstream.
    pub fn push(&mut self, bytes: Bytes) -> Vec<Op> {
        self.run(0, vec![Op::Data(bytes)])
    }

    /// Takes the end of the upstream's body.
    pub fn finish(&mut self) -> Vec<Op> {
        self.run(0, vec![Op::End])
    }

    fn run(&mut self, first: usize, mut ops: Vec<Op>) -> Vec<Op> {
        for stage in self.stages.iter_mut().skip(first) {
            let mut out = Vec::new();
            for op in ops {
                match op {
                    Op::Data(bytes) => stage.push(&bytes, &mut out),
                    Op::End => {
                        stage.finish(&mut out);
                        out.push(Op::End);
                    }
                    other => out.push(other),
                }
                if matches!(out.last(), Some(Op::End | Op::Abort(_))) {
                    break;
                }
            }
            ops = out;
        }
        ops
    }
}

/// Tells whether a fault changes the body of an answer, so that its length is no longer known.
pub(crate) fn changes_body(fault: &ArmedFault) -> bool {
    !matches!(fault.fault.deed, Do::Status(_))
}

#[cfg(test)]
mod tests;
