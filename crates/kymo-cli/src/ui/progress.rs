use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape_line;

/// One line at the bottom of the terminal that is redrawn while work goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(lines: &MultiProgress, visible: bool) -> Self {
        if !visible {
            return Self {
                bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            };
        }
        let bar = lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Shows `text` in place of what was shown.
    pub(crate) fn set(&self, text: &str) {
        self.bar.set_message(escape_line(text).into_owned());
    }
}

/// The line goes away with the work.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
