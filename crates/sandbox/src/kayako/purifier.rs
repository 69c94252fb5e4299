//! The HTML purifier behind `html: true` (reference section 4.9).
//!
//! Constraints. The real allow-list is not published; this one removes what every purifier removes: active elements with their
//! content, event handlers, script URLs. It keeps everything else byte by byte, in one pass.

/// Elements that vanish with everything in them.
const REMOVED: [&str; 7] = ["script", "style", "iframe", "object", "embed", "applet", "noscript"];

/// Removes active content. Text without tags comes back as it is.
pub(crate) fn purify(html: String) -> String {
    if !html.contains('<') {
        return html;
    }
    let mut out = String::with_capacity(html.len());
    let mut rest = html.as_str();
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        let tag = &rest[start..];
        if tag.starts_with("<!--") {
            rest = tag.find("-->").map_or("", |end| &tag[end + 3..]);
            continue;
        }
        let Some(end) = tag_end(tag) else {
            // A `<` that opens nothing is text.
            out.push_str(tag);
            return out;
        };
        let (whole, after) = tag.split_at(end);
        let name = name_of(whole);
        rest = after;
        if REMOVED.iter().any(|removed| name.eq_ignore_ascii_case(removed)) {
            if !whole.starts_with("</") && !whole.ends_with("/>") {
                rest = skip_element(after, name);
            }
        } else {
            push_tag(&mut out, whole);
        }
    }
    out.push_str(rest);
    out
}

/// The place after the `>` that ends a tag; quotes may hold a `>`.
fn tag_end(tag: &str) -> Option<usize> {
    let next = tag.as_bytes().get(1).copied()?;
    if !(next.is_ascii_alphabetic() || next == b'/' || next == b'!') {
        return Some(1);
    }
    let mut quote = None;
    for (place, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'>') => return Some(place + 1),
            _ => {}
        }
    }
    None
}

fn name_of(tag: &str) -> &str {
    let inner = tag.trim_start_matches(['<', '/']);
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
    &inner[..end]
}

/// What follows the closing tag of a removed element; nothing if it is never closed.
fn skip_element<'a>(rest: &'a str, name: &str) -> &'a str {
    let mut search = rest;
    while let Some(start) = search.find("</") {
        let tag = &search[start..];
        if name_of(tag).eq_ignore_ascii_case(name) {
            return tag.find('>').map_or("", |end| &tag[end + 1..]);
        }
        search = &tag[2..];
    }
    // Void elements such as <embed> have no end.
    if name.eq_ignore_ascii_case("embed") { rest } else { "" }
}

fn push_tag(out: &mut String, tag: &str) {
    let lower = tag.to_ascii_lowercase();
    if !lower.contains("on") && !lower.contains("script:") {
        out.push_str(tag);
        return;
    }
    let name_end = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
    out.push_str(&tag[..name_end]);
    let mut rest = &tag[name_end..];
    while !rest.is_empty() {
        let start = rest.len() - rest.trim_start().len();
        let body = &rest[start..];
        let length = attribute_length(body).max(1).min(body.len());
        let end = if body.is_char_boundary(length) { length } else { body.len() };
        let attribute = &body[..end];
        if !is_active(attribute) {
            out.push_str(&rest[..start]);
            out.push_str(attribute);
        }
        rest = &body[end..];
        if body.is_empty() {
            break;
        }
    }
    if !out.ends_with('>') {
        out.push('>');
    }
}

/// The length of the first attribute, its quoted value included.
fn attribute_length(text: &str) -> usize {
    let mut quote = None;
    for (place, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'>') => return place.max(1),
            (None, byte) if byte.is_ascii_whitespace() => return place,
            _ => {}
        }
    }
    text.len()
}

fn is_active(attribute: &str) -> bool {
    let lower = attribute.to_ascii_lowercase();
    let (name, value) = lower.split_once('=').unwrap_or((&lower, ""));
    let value = value.trim_start_matches(['"', '\'', ' ']);
    name.starts_with("on") || value.starts_with("javascript:") || value.starts_with("vbscript:")
}

#[cfg(test)]
mod tests {
    use super::purify;

    fn pure(html: &str) -> String {
        purify(html.to_owned())
    }

    #[test]
    fn active_content_goes_and_the_rest_stays() {
        assert_eq!(pure("a<script>alert('<b>')</script>b"), "ab");
        assert_eq!(pure("<STYLE type=x>p{}</STYLE><p>ü</p>"), "<p>ü</p>");
        assert_eq!(pure(r#"<img src="a.png" onerror="x('>')" alt="on">"#), r#"<img src="a.png" alt="on">"#);
        assert_eq!(pure(r#"<a href="javascript:x()">t</a>"#), "<a>t</a>");
        assert_eq!(pure("<iframe src=x></iframe>z"), "z");
        assert_eq!(pure("<!-- c --><p>x"), "<p>x");
    }

    #[test]
    fn text_that_looks_like_tags_stays() {
        assert_eq!(pure("1 < 2 and 3 > 2"), "1 < 2 and 3 > 2");
        assert_eq!(pure("x <"), "x <");
        let table = r#"<table style="color:red"><tr><td>日本 🙂</td></tr></table>"#;
        assert_eq!(pure(table), table);
    }
}
