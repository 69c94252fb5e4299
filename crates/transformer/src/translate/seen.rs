//! What a person sees of a text: on one line, and behind HTML.

/// Tags after which a new line begins.
const BLOCKS: [&str; 14] =
    ["p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table"];
/// Tags whose content nobody sees.
const HIDDEN: [&str; 4] = ["script", "style", "head", "title"];
/// Tags that show something without any text.
const MEDIA: [&str; 6] = ["img", "video", "audio", "iframe", "object", "svg"];

/// The text on one line: runs of blanks, line ends and control characters become one blank. Empty if nobody would see
/// anything; invisible characters beside visible ones stay, because Persian and emoji are written with them.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    if !text.chars().any(is_visible) {
        return line;
    }
    for c in text.chars() {
        if !c.is_whitespace() && !c.is_control() {
            line.push(c);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Zero-width characters, soft hyphens and byte order marks are not.
fn is_visible(c: char) -> bool {
    let zero_width = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
    !c.is_whitespace() && !c.is_control() && !zero_width
}

/// The text of an HTML body with its lines, and whether it shows pictures or the like.
pub(super) fn of_html(html: &str) -> (String, bool) {
    let mut text = String::with_capacity(html.len() / 2);
    let mut media = false;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        unescape(&rest[..at], &mut text);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let begins_tag =
            rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if !begins_tag {
            text.push('<');
            rest = &rest[1..];
            continue;
        }
        let end = rest.find('>').map_or(rest.len(), |end| end + 1);
        let name: String = rest[1..end]
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let is_closing = rest[1..].starts_with('/');
        rest = &rest[end..];
        media |= MEDIA.contains(&name.as_str());
        if BLOCKS.contains(&name.as_str()) {
            text.push('\n');
        }
        if HIDDEN.contains(&name.as_str()) && !is_closing {
            // ASCII lower case keeps every byte's position.
            let closing = rest.to_ascii_lowercase().find(&format!("</{name}"));
            rest = closing.map_or("", |at| &rest[at..]);
        }
    }
    unescape(rest, &mut text);
    (text, media)
}

/// Appends text with its character references replaced, as far as they matter for seeing whether something is there.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // The longest reference we know has 8 characters.
        let end = rest.char_indices().take(10).find(|(_, c)| *c == ';').map(|(end, _)| end);
        let known = end.and_then(|end| reference(&rest[1..end]).map(|c| (c, end)));
        if let Some((c, end)) = known {
            out.push(c);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
}

fn reference(name: &str) -> Option<char> {
    let number = name.strip_prefix('#').map(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    });
    match (name, number) {
        (_, Some(number)) => char::from_u32(number.ok()?),
        ("amp", _) => Some('&'),
        ("lt", _) => Some('<'),
        ("gt", _) => Some('>'),
        ("quot", _) => Some('"'),
        ("apos", _) => Some('\''),
        ("nbsp", _) => Some('\u{a0}'),
        _ => None,
    }
}

/// Text as part of HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The first line with something in it, at most `most` characters long.
pub(super) fn first_line(text: &str, most: usize) -> Option<String> {
    let line = text.lines().map(one_line).find(|line| !line.is_empty())?;
    if line.chars().count() <= most {
        return Some(line);
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    Some(format!("{}…", cut.trim_end()))
}
