//! The points at which a test can stop the store (feature `failpoints`).

/// Before a frame is written to a log.
pub const FRAME_BEFORE_WRITE: &str = "frame.before_write";
/// After a frame was written, before anything else.
pub const FRAME_AFTER_WRITE: &str = "frame.after_write";
/// Before a log is synced.
pub const FRAME_BEFORE_SYNC: &str = "frame.before_sync";
/// After a log was synced, before the caller knows.
pub const FRAME_AFTER_SYNC: &str = "frame.after_sync";
/// While a segment is written under its temporary name.
pub const SEAL_TMP: &str = "seal.tmp";
/// After a segment was verified, before it gets its name.
pub const SEAL_BEFORE_RENAME: &str = "seal.before_rename";
/// After a segment got its name, before the manifest says so.
pub const SEAL_AFTER_RENAME: &str = "seal.after_rename";
/// After an entry was written to the manifest, before it is synced.
pub const MANIFEST_BEFORE_SYNC: &str = "manifest.before_sync";
/// After the manifest names a segment, before what it replaces is removed.
pub const SEAL_BEFORE_UNLINK: &str = "seal.before_unlink";

/// Every point, in the order in which a record passes them.
pub const ALL: [&str; 9] = [
    FRAME_BEFORE_WRITE,
    FRAME_AFTER_WRITE,
    FRAME_BEFORE_SYNC,
    FRAME_AFTER_SYNC,
    SEAL_TMP,
    SEAL_BEFORE_RENAME,
    SEAL_AFTER_RENAME,
    MANIFEST_BEFORE_SYNC,
    SEAL_BEFORE_UNLINK,
];

/// Lets the process abort, as if killed, when it has passed `name` `passes` times and comes to it
/// again.
#[cfg(feature = "failpoints")]
pub fn abort_at(name: &str, passes: usize) -> Result<(), String> {
    let left = std::sync::atomic::AtomicUsize::new(passes);
    fail::cfg_callback(name, move || {
        let order = std::sync::atomic::Ordering::SeqCst;
        if left
            .fetch_update(order, order, |left| left.checked_sub(1))
            .is_err()
        {
            std::process::abort();
        }
    })
}
