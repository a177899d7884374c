use std::cell::Cell;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape_line;

/// One line at the bottom of the terminal that is redrawn while work goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    form: Cell<Form>,
}

/// What the line shows besides a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing.
    Text,
    /// How many bytes there were so far, and how fast they come.
    Bytes,
    /// A bar, bytes of all bytes, how fast they come and how long it will take.
    Bar,
}

impl Form {
    fn template(self) -> &'static str {
        match self {
            Self::Text => "{spinner} {wide_msg}",
            Self::Bytes => "{spinner} {decimal_bytes}  {decimal_bytes_per_sec}  {wide_msg}",
            Self::Bar => {
                "{bar:24} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  \
                 {eta} left  {wide_msg}"
            }
        }
    }
}

impl Progress {
    pub(super) fn new(lines: &MultiProgress, visible: bool) -> Self {
        let form = Cell::new(Form::Text);
        if !visible {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            return Self { bar, form };
        }
        let bar = lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template(Form::Text.template()) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, form }
    }

    /// Shows `text` in place of what was shown.
    pub(crate) fn set(&self, text: &str) {
        self.show(Form::Text, text);
    }

    /// Shows how many bytes are done, of how many in all if that is known.
    pub(crate) fn set_bytes(&self, done: u64, total: Option<u64>, text: &str) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
        let form = if total.is_some() {
            Form::Bar
        } else {
            Form::Bytes
        };
        self.show(form, text);
    }

    fn show(&self, form: Form, text: &str) {
        if self.form.replace(form) != form
            && let Ok(style) = ProgressStyle::with_template(form.template())
        {
            self.bar.set_style(style);
        }
        self.bar.set_message(escape_line(text).into_owned());
    }
}

/// The line goes away with the work.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    #[test]
    fn bytes_are_shown_with_a_bar_once_it_is_known_how_many_there_are() {
        let terminal = InMemoryTerm::new(10, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let lines = MultiProgress::with_draw_target(target);
        let progress = Progress::new(&lines, true);
        let shown = || {
            progress.bar.force_draw();
            terminal.contents()
        };
        progress.set_bytes(1_500_000, None, "7 events");
        let text = shown();
        assert!(
            text.contains("1.50 MB") && text.contains("7 events"),
            "{text}"
        );
        progress.set_bytes(1_500_000, Some(3_000_000), "8 events");
        let text = shown();
        assert!(text.contains("1.50 MB of 3.00 MB"), "{text}");
        assert!(text.contains("left") && text.contains("8 events"), "{text}");
        progress.set("sealing");
        let text = shown();
        assert!(text.ends_with("sealing") && !text.contains("MB"), "{text}");
    }
}
