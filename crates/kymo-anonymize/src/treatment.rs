use std::str::FromStr;

macro_rules! treatments {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// What becomes of the text of a field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Treatment { $($(#[doc = $doc])+ $name,)+ }

        impl Treatment {
            /// Every treatment, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the word in the table and in policies.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// Says what it does.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }

        impl FromStr for Treatment {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word { $($word => Ok(Self::$name),)+ _ => Err(()) }
            }
        }
    };
}

treatments! {
    /// Stays as it is; only a policy says so.
    Keep = "keep",
    /// The field is left out.
    Drop = "drop",
    /// The text becomes empty; that it was there, and how many there were, stays.
    Empty = "empty",
    /// Keys become pseudonyms, values become empty.
    DataMap = "data-map",
    /// All members go.
    DropMap = "drop-map",
    /// A word of the API's closed lists stays; any other becomes a pseudonym.
    Word = "word",
    /// A kind of a public API stays; any other becomes a pseudonym.
    Kind = "kind",
    /// Group and version: a public group stays; any other becomes a pseudonym, label by label.
    ApiVersion = "api-version",
    /// A public name of the API (a group, plural, driver, controller) stays; any other becomes a pseudonym.
    Api = "api",
    /// The name of an object or of a part of one: a pseudonym that is derived as the name was.
    Name = "name",
    /// Keys are names, values are names.
    NameMap = "name-map",
    /// The stem of generated names: the pseudonym of the stem, with its dash.
    GenerateName = "generate-name",
    /// A namespace.
    Namespace = "namespace",
    /// The key of a label, taint or selector: public ones stay.
    LabelKey = "label-key",
    /// The value of the label whose key stands beside it.
    LabelValue = "label-value",
    /// Labels: keys and values, each key with pseudonyms of its own.
    LabelMap = "label-map",
    /// Annotations: numbers, truth values and times stay; other values become empty but for a few known ones.
    AnnotationMap = "annotation-map",
    /// A selector written as text.
    Selector = "selector",
    /// The value of the label of a zone.
    Zone = "zone",
    /// A quantity stays, or is rounded if the policy says so.
    Quantity = "quantity",
    /// Quantities by the name of what is counted.
    QuantityMap = "quantity-map",
    /// A time, moved as all times are.
    Time = "time",
    /// A unique id: another one of the same form.
    Uid = "uid",
    /// The id of a container: its runtime stays.
    ContainerId = "container-id",
    /// An image reference, part by part.
    Image = "image",
    /// A host name, label by label under `.invalid`, or an address.
    Host = "host",
    /// An IP address: another one, with the same common prefixes.
    Ip = "ip",
    /// A network: another one, which holds the same addresses.
    Cidr = "cidr",
    /// A URL, part by part.
    Url = "url",
    /// A path, part by part; parts that every machine has stay.
    Path = "path",
    /// A user, a group or a client.
    Actor = "actor",
    /// The name or the number of a port.
    PortName = "port-name",
    /// A key of a `ConfigMap` or a Secret.
    DataKey = "data-key",
    /// The name of an environment variable.
    EnvironmentName = "env-name",
    /// The path of a field, with names inside.
    FieldPath = "field-path",
    /// A hardware address.
    Mac = "mac",
    /// The id of a machine at its provider: the scheme stays.
    ProviderId = "provider-id",
    /// A version: its first two numbers stay.
    Version = "version",
    /// A schedule of cron stays.
    Schedule = "schedule",
    /// A time zone becomes UTC.
    TimeZone = "time-zone",
    /// Free text: known names become their pseudonyms, words of Kubernetes stay, all others go.
    Text = "text",
    /// JSON inside of the text, and base64 around it, is followed; anything else is opaque.
    Json = "json",
    /// Anything else: numbers, times, addresses and known names by their form; other texts become a pseudonym.
    Opaque = "opaque",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_treatments_are_one_to_one() {
        for treatment in Treatment::ALL {
            assert_eq!(treatment.as_str().parse(), Ok(*treatment));
            assert!(!treatment.meaning().is_empty());
        }
        assert!("shred".parse::<Treatment>().is_err());
    }
}
