//! kymo-testkit
