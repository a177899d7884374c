//! kymo-interop
