//! Reading chosen rows of a row group: some columns, values at some paths, or whole bodies.
//!
//! A reader that knows which rows it wants goes in three steps. [`Bounds`] tell from the footer
//! whether a row group can hold them at all. [`ColumnBatches`] reads typed columns as Arrow arrays,
//! for all rows or for some [`RowRanges`]. [`Versions`] puts the versions of the rows that are left
//! together: it reads those rows and the ones that their patches refer to, directly or through
//! others, and no more.

mod bases;
mod bounds;
mod columns;
mod events;
mod path;
mod ranges;
mod track;
mod versions;

pub use bounds::Bounds;
pub use columns::ColumnBatches;
pub(super) use columns::{Excerpt, open as open_excerpt, with_words};
pub use events::Events;
pub use path::{JsonPath, Step};
pub use ranges::RowRanges;
pub use versions::{Version, Versions, Wanted};
