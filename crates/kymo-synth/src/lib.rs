//! Objects and whole lives of objects, made from manifests and distributions.
