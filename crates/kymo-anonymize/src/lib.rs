//! kymo-anonymize
