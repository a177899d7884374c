//! kymo-watch
