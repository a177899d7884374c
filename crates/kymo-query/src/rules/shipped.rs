use crate::error::nearest;

/// A rule that a legal trace keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is called: the name of its file.
    pub name: &'static str,
    /// The query that finds what breaks it, with a header that says what it is and why.
    pub text: &'static str,
}

macro_rules! rules {
    ($($name:literal,)+) => {
        &[$(Rule {
            name: $name,
            text: include_str!(concat!("../../../../queries/check/", $name, ".sql")),
        }),+]
    };
}

static RULES: &[Rule] = rules! {
    "endpoint-targets",
    "event-subjects",
    "life-cycle",
    "owners",
    "pod-claims",
    "pod-nodes",
    "replica-counts",
    "resource-versions",
    "times",
    "unique-names",
    "unique-uids",
    "workload-selectors",
};

impl Rule {
    /// Returns every rule, by name.
    pub fn all() -> &'static [Self] {
        RULES
    }

    /// Finds a rule.
    pub fn find(name: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.name == name)
    }

    /// Returns the rule that was probably meant by a name that does not exist.
    pub fn nearest(name: &str) -> Option<&'static str> {
        let meant = nearest(name, RULES.iter().map(|rule| rule.name))?;
        Self::find(meant).map(|rule| rule.name)
    }

    /// Returns what the rule demands.
    pub fn demand(&self) -> String {
        self.header("Rule:")
    }

    /// Returns what of a trace it judges, and what not.
    pub fn judged(&self) -> String {
        self.header("Judged:")
    }

    /// Returns a field of the header as one line.
    fn header(&self, field: &str) -> String {
        let mut words = Vec::new();
        let mut is_inside = false;
        for line in self.text.lines() {
            let Some(line) = line.strip_prefix("--") else {
                break;
            };
            let text = line.trim_start();
            // What goes on is set in below the text of its field.
            let goes_on = line.len() - text.len() > 1;
            let text = if goes_on {
                text
            } else {
                let of_field = text.strip_prefix(field);
                is_inside = of_field.is_some();
                of_field.unwrap_or_default()
            };
            if is_inside {
                words.extend(text.split_whitespace());
            }
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_rules_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../queries/check");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let names: Vec<&str> = Rule::all().iter().map(|rule| rule.name).collect();
        assert_eq!(names, files);
    }

    #[test]
    fn every_rule_says_what_it_demands_why_of_what_and_by_whose_word() {
        for rule in Rule::all() {
            for field in ["Rule:", "Why:", "Judged:", "Source:"] {
                assert!(rule.header(field).ends_with('.'), "{} {field}", rule.name);
            }
        }
    }

    #[test]
    fn a_field_of_a_header_is_one_line() {
        let rule = Rule {
            name: "x",
            text: "-- Rule:     One,\n--           two.\n-- Why:      Three.\nSELECT 1\n-- Rule:     not.\n",
        };
        assert_eq!(rule.demand(), "One, two.");
        assert_eq!(rule.judged(), "");
    }

    #[test]
    fn a_rule_is_found_by_its_name_and_by_nearly_its_name() {
        assert_eq!(Rule::find("life-cycle").unwrap().name, "life-cycle");
        assert_eq!(Rule::find("lifecycle"), None);
        assert_eq!(Rule::nearest("lifecycle"), Some("life-cycle"));
    }
}
