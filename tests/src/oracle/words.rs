//! The plan's rules about texts, addresses and tags, as they are documented.

/// A text on one line, blanks and control characters between words as one blank.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The normal form of a usable address: trimmed, lower case, without trailing dots.
pub(crate) fn email(text: &str) -> Option<String> {
    let address = text.trim().trim_end_matches('.').to_lowercase();
    let (local, domain) = address.split_once('@')?;
    let good = !local.is_empty() && domain.contains('.') && !address.contains(char::is_whitespace);
    good.then_some(address)
}

/// Tags as a set: on one line, without commas, each once whatever its case.
pub(crate) fn tags<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tag in tags.into_iter().map(|tag| one_line(tag).replace(',', "_")) {
        if !tag.is_empty() && found.iter().all(|known| known.to_lowercase() != tag.to_lowercase()) {
            found.push(tag);
        }
    }
    found.sort();
    found
}

/// Texts in no order.
pub(crate) fn unordered(texts: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
    texts.sort();
    texts
}

/// A subject made from what was said first: its first line, at most 100 characters.
pub(crate) fn subject_of(text: &str) -> Option<String> {
    let line = text.lines().map(one_line).find(|line| !line.is_empty())?;
    if line.chars().count() <= 100 {
        return Some(line);
    }
    let cut: String = line.chars().take(99).collect();
    Some(format!("{}…", cut.trim_end()))
}

/// Text as part of HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A body with the source's addresses of its images written as the generated company writes them, `attachment:ID`: their
/// tokens are known to the source alone.
pub(crate) fn without_addresses(body: &str, zendesk_url: &str) -> String {
    let start = format!("\"{zendesk_url}/attachments/token/");
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find(&start) {
        out.push_str(&rest[..at]);
        let token = &rest[at + start.len()..];
        let id = token.split_once('z').and_then(|(id, _)| u64::from_str_radix(id, 16).ok());
        let (Some(id), Some(end)) = (id, token.find('"')) else {
            out.push_str(&rest[at..]);
            return out;
        };
        out.push_str("\"attachment:");
        out.push_str(&id.to_string());
        out.push('"');
        rest = &token[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_images_become_their_ids_and_nothing_else_changes() {
        let base = "http://127.0.0.1:9";
        let body = format!(
            "<p>a</p><img src=\"{base}/attachments/token/1fz00ab/?name=x%2Epng\" alt=\"b\"><a href=\"{base}/x\">"
        );
        let expected = format!("<p>a</p><img src=\"attachment:31\" alt=\"b\"><a href=\"{base}/x\">");
        assert_eq!(without_addresses(&body, base), expected);
    }

    #[test]
    fn usable_addresses_are_told_from_others() {
        assert_eq!(email(" Jo@X.Example. ").as_deref(), Some("jo@x.example"));
        assert_eq!(email("jo @x.example"), None);
        assert_eq!(email("jo@local"), None);
    }
}
