//! kymo-testkit

pub mod proxy;
pub mod scripted;
