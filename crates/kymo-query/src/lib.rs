//! kymo-query
