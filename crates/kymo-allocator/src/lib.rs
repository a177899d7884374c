//! How the C library hands out memory: what every program of kymo asks for when it begins.

/// Lets the C library divide memory into no more arenas than there are cores.
///
/// glibc makes up to eight arenas for each core and gives threads one of their own. What one thread
/// takes and another one gives back goes to the arena of the first, where only its threads can take it
/// again, so a program whose threads hand rows to each other keeps more than it uses. Threads have small
/// pieces at hand without an arena, so fewer arenas make them wait little. Source: mallopt(3),
/// `M_ARENA_MAX`. Other C libraries have no arenas to speak of; nothing is done there.
///
/// To be called before there are other threads: arenas that are there stay.
pub fn limit_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let arenas = libc::c_int::try_from(cores.max(2)).unwrap_or(libc::c_int::MAX);
        #[expect(unsafe_code, reason = "a call of the C library; no crate wraps it")]
        // SAFETY: mallopt takes two numbers and touches no memory of ours. It may fail, and then all
        // stays as it was.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, arenas);
        }
    }
}
