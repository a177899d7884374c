//! What the store promises, seen from outside.

mod crash;
mod damage;
mod disk_full;
mod failpoints;
mod format;
mod hostile;
mod ownership;
mod reading;
mod resuming;
mod sealing;
mod support;
mod sync_failure;
