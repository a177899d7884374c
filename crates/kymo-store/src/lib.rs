//! kymo-store
