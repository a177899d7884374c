//! What the C library keeps of the memory that a program gave back.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

/// How long freed memory is kept for whoever asks next.
const EVERY: Duration = Duration::from_secs(1);

/// Does work, and meanwhile hands free memory back to the system every second.
///
/// glibc divides memory into up to eight arenas for each core. What one thread takes and another one
/// gives back is free in the arena of the first and stays part of the process, so a program whose threads
/// hand rows to each other grows beyond what it uses. Source: `malloc_trim(3)`. Of other C libraries
/// nothing is asked.
pub fn giving_back<T>(work: impl FnOnce() -> T) -> T {
    let (working, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let trim = move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                give_back();
            }
        };
        let thread = Builder::new().name("kymo-trim".to_owned());
        // Without the thread the work takes more memory, no more than that.
        drop(thread.spawn_scoped(scope, trim));
        let done = work();
        drop(working);
        done
    })
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    #[expect(unsafe_code, reason = "a call of the C library; no crate wraps it")]
    // SAFETY: malloc_trim takes a number, locks what it reads, and gives up only pages that hold nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Memory of this process in bytes.
    fn resident() -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        pages * 4096
    }

    #[test]
    fn freed_memory_leaves_the_process() {
        giving_back(|| {
            let mut pieces: Vec<Vec<u8>> = (0..16_384).map(|_| vec![1; 4096]).collect();
            // What lies above all that is free keeps the C library from giving it back of itself.
            let last = pieces.pop();
            let most = resident();
            drop(pieces);
            let mut waits = 0;
            while resident() + (32 << 20) > most {
                assert!(waits < 200, "{} of {most}", resident());
                std::thread::sleep(EVERY / 10);
                waits += 1;
            }
            drop(last);
        });
    }
}
