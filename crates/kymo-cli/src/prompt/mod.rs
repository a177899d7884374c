//! The prompt: statements and commands are typed, answers shown, until the user ends it.

mod command;
mod conversation;
mod editor;
mod history;
mod script;

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use conversation::Conversation;
pub(crate) use script::{Item, items};

use crate::ask::Asker;
use crate::command_error::{CommandError, Kind};
use conversation::Next;
use editor::{Line, LineEditor};
use kymo_query::Parameters;

const GREETING: &str = "A statement ends with `;`. `\\?` is help, `\\q` ends.";

/// Asks what the user types. Ctrl-C cancels a statement that runs; SIGTERM ends it.
pub(crate) async fn prompt(
    mut asker: Asker<'_>,
    values: Parameters,
    keeps_history: bool,
) -> Result<(), CommandError> {
    let ui = asker.ui;
    asker.counts_rows = true;
    // Before the editor, which puts back what it finds.
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let terminal = Terminal::now();
    let history = keeps_history.then(history::history_file).flatten();
    let mut editor = LineEditor::new(asker.session.clone(), history)?;
    let mut conversation = Conversation::new(asker, values);
    ui.message(GREETING);
    loop {
        let reading = tokio::task::spawn_blocking(move || {
            let line = editor.read();
            (editor, line)
        });
        let read = tokio::select! {
            biased;
            _ = terminate.recv() => {
                terminal.restore();
                return Err(interrupted());
            }
            read = reading => read,
        };
        let (returned, line) = read.map_err(|error| {
            terminal.restore();
            CommandError::bug("the prompt failed").caused_by(&error)
        })?;
        editor = returned;
        let text = match line? {
            Line::Typed(text) => text,
            Line::Dropped => continue,
            Line::End => return Ok(()),
        };
        forget(&mut interrupt);
        let ran = tokio::select! {
            biased;
            _ = terminate.recv() => return Err(interrupted()),
            _ = interrupt.recv() => {
                ui.message("Cancelled");
                continue;
            }
            ran = conversation.run(&text) => ran,
        };
        match ran {
            Ok(Next::More) => {}
            Ok(Next::End) => return Ok(()),
            // Nobody sees the rest.
            Err(error) if error.kind == Kind::BrokenPipe => return Err(error),
            Err(error) => ui.report(&error),
        }
    }
}

/// The settings of the terminal before the prompt changes them.
struct Terminal(Option<rustix::termios::Termios>);

impl Terminal {
    fn now() -> Self {
        Self(rustix::termios::tcgetattr(std::io::stdin()).ok())
    }

    /// There is nobody left to tell when that fails.
    fn restore(&self) {
        if let Some(settings) = &self.0 {
            let now = rustix::termios::OptionalActions::Now;
            rustix::termios::tcsetattr(std::io::stdin(), now, settings).ok();
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, CommandError> {
    signal(kind)
        .map_err(|error| CommandError::environment("cannot listen to signals").caused_by(&error))
}

/// Forgets a signal that came while nothing ran.
fn forget(signal: &mut Signal) {
    while signal.recv().now_or_never().flatten().is_some() {}
}

fn interrupted() -> CommandError {
    CommandError::environment("interrupted")
}
