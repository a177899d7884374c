use thiserror::Error;

/// Why a patch cannot be applied. Places are written as `spec.containers.ports`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The patch, or the object that it would give, is nested too deeply.
    #[error("nested more than {} levels deep", crate::MAX_DEPTH)]
    TooDeep,
    /// The patch is not a list of operations of RFC 6902.
    #[error("not a JSON patch: {source}")]
    NotJsonPatch {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A JSON patch has more operations than the API server takes.
    #[error(
        "a JSON patch of {count} operations; at most {} are allowed",
        crate::MAX_OPERATIONS
    )]
    TooManyOperations {
        /// How many it has.
        count: usize,
    },
    /// The copies that a JSON patch makes are larger than the API server allows.
    #[error(
        "the copies of a JSON patch take more than {} bytes",
        crate::MAX_COPIED_BYTES
    )]
    TooMuchCopied,
    /// An operation of a JSON patch does not fit the object.
    #[error("operation {index} of the JSON patch: {source}")]
    Operation {
        /// Which one, from 0.
        index: usize,
        /// What is wrong.
        source: json_patch::PatchError,
    },
    /// There is no strategic merge for the kind.
    #[error("a strategic merge patch of a kind whose merge keys are not known")]
    NoSchema,
    /// A patch or the object is not a JSON object.
    #[error("a strategic merge patch needs two JSON objects")]
    NotObjects,
    /// Something has another type than the place needs.
    #[error("{place}: {is} where {wanted} is needed")]
    Type {
        /// The place in the patch.
        place: String,
        /// What is there.
        is: &'static str,
        /// What should be.
        wanted: &'static str,
    },
    /// The kind has no such field that holds others.
    #[error("{place}: not a field of the kind, or none that holds others")]
    UnknownField {
        /// The place in the patch.
        place: String,
    },
    /// A list that is merged has an element without the key by which it is.
    #[error("{place}: an element has no `{merge_key}`")]
    NoMergeKey {
        /// The list.
        place: String,
        /// The field that tells the elements apart.
        merge_key: String,
    },
    /// The key of an element is an object or a list.
    #[error("{place}: the `{merge_key}` of an element is neither text nor a number")]
    BadMergeKey {
        /// The list.
        place: String,
        /// The field that tells the elements apart.
        merge_key: String,
    },
    /// The elements of a list are of different types, or lists or nulls.
    #[error("{place}: the elements are not all of one type that can be merged")]
    MixedList {
        /// The list.
        place: String,
    },
    /// The order of a list is set, and the list is empty.
    #[error("{place}: an order is set for a list without elements")]
    EmptyOrder {
        /// The list.
        place: String,
    },
    /// Elements of the patch are not in the order that it sets, or not in it at all.
    #[error("{place}: the patch's own elements do not follow the order that it sets")]
    Order {
        /// The list.
        place: String,
    },
    /// The patch sets a field that its own `$retainKeys` would remove.
    #[error("{place}: `$retainKeys` does not name a field that the patch sets")]
    RetainKeys {
        /// The object with the directive.
        place: String,
    },
    /// A directive is unknown or stands where it cannot.
    #[error("{place}: the directive `{directive}` means nothing here")]
    Directive {
        /// The object with the directive.
        place: String,
        /// Its text.
        directive: String,
    },
}
