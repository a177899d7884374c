//! The forms that identifiers have, and how each is replaced so that it stays what it is.

mod actor;
mod host;
mod image;
mod label;
mod name;
mod opaque;
mod text;
