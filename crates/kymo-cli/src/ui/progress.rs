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
        bar.set_style(plain());
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Shows how far the reading of bytes is, with its rate; `total` where it is known.
    pub(crate) fn advance(&self, bytes: u64, total: Option<u64>, text: &str) {
        if self.bar.length() != total || self.bar.position() == 0 {
            let template = if total.is_some() {
                "{spinner} {bar:20} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {wide_msg}"
            } else {
                "{spinner} {bytes}, {bytes_per_sec}, {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            match total {
                Some(total) => self.bar.set_length(total),
                None => self.bar.unset_length(),
            }
        }
        self.bar.set_position(bytes);
        self.bar.set_message(escape_line(text).into_owned());
    }

    /// Shows `text` in place of what was shown.
    pub(crate) fn set(&self, text: &str) {
        if self.bar.length().is_some() || self.bar.position() > 0 {
            self.bar.unset_length();
            self.bar.set_position(0);
            self.bar.set_style(plain());
        }
        self.bar.set_message(escape_line(text).into_owned());
    }
}

/// A spinner and a text.
fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// The line goes away with the work.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
