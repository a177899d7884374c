//! References to images.

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::tokens::{Domain, TOKEN};

impl Anonymizer {
    /// Replaces registry, path, tag and digest one by one, so that two images share what they
    /// shared before.
    pub(crate) fn image(&mut self, image: &str) -> Result<String, Failure> {
        if image.is_empty() || self.keeps_images() {
            return Ok(image.to_owned());
        }
        if let Some((scheme, rest)) = image.split_once("://") {
            let scheme = match scheme {
                "docker" | "docker-pullable" | "containerd" | "cri-o" => scheme.to_owned(),
                other => self.tokens.token(Domain::Image, other, TOKEN)?,
            };
            return Ok(format!("{scheme}://{}", self.image(rest)?));
        }
        if let Some(hash) = image.strip_prefix("sha256:") {
            return Ok(format!("sha256:{}", self.hash(hash)?));
        }
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (image, None),
        };
        // The last colon begins a tag unless a slash follows: then it begins the registry's port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let mut parts = Vec::new();
        let count = name.split('/').count();
        for (place, part) in name.split('/').enumerate() {
            let is_registry =
                place == 0 && count > 1 && (part.contains(['.', ':']) || part == "localhost");
            parts.push(if is_registry {
                self.outer_host(part)?
            } else if part.is_empty() {
                String::new()
            } else {
                self.tokens.scoped(Domain::Image, "path", part, TOKEN)?
            });
        }
        let mut replaced = parts.join("/");
        if let Some(tag) = tag {
            replaced.push(':');
            replaced += &match tag {
                "latest" => tag.to_owned(),
                tag => self.tokens.scoped(Domain::Image, "tag", tag, TOKEN)?,
            };
        }
        if let Some(digest) = digest {
            let (algorithm, hash) = digest.split_once(':').unwrap_or(("", digest));
            replaced.push('@');
            if matches!(algorithm, "sha256" | "sha512") {
                replaced += algorithm;
                replaced.push(':');
            }
            replaced += &self.hash(hash)?;
        }
        self.tokens.note(Domain::Image, "", image, &replaced);
        Ok(replaced)
    }
}
