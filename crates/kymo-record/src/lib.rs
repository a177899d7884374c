//! kymo-record
