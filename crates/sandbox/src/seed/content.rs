//! The body of a comment as blocks, written out as HTML and as plain text.
//!
//! Constraint: both forms come from the same blocks, so that a migration that takes one of them can be compared
//! with either.

use std::fmt::Write as _;

use super::ids::AttachmentId;

/// A part of a body.
pub(crate) enum Block {
    Paragraph(String),
    Quote(String),
    Table(Vec<[String; 3]>),
    List(Vec<String>),
    Code(String),
    Signature(String),
    /// An attachment shown in the text; the server puts the address in.
    Image(AttachmentId, String),
    /// An image that does not lie in the account.
    Foreign(&'static str),
}

/// Text for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn lines(text: &str) -> String {
    escape(text).replace('\n', "<br>")
}

/// The blocks as the service's HTML.
pub(crate) fn html(blocks: &[Block], right_to_left: bool) -> String {
    let direction = if right_to_left { "rtl" } else { "auto" };
    let mut out = format!("<div class=\"zd-comment\" dir=\"{direction}\">");
    for block in blocks {
        // Writing to a string cannot fail.
        let _ = match block {
            Block::Paragraph(text) => write!(out, "<p dir=\"{direction}\">{}</p>", lines(text)),
            Block::Quote(text) => {
                write!(out, "<blockquote type=\"cite\"><p>{}</p></blockquote>", lines(text))
            }
            Block::Code(text) => write!(out, "<pre><code>{}</code></pre>", escape(text)),
            Block::Signature(text) => write!(out, "<p>--<br><em>{}</em></p>", lines(text)),
            Block::Image(id, name) => {
                write!(
                    out,
                    "<p><img src=\"attachment:{id}\" alt=\"{}\" style=\"max-width:100%\"></p>",
                    escape(name)
                )
            }
            Block::Foreign(source) => write!(out, "<img src=\"{source}\">"),
            Block::List(items) => {
                let items: String =
                    items.iter().fold(String::new(), |all, item| all + "<li>" + &lines(item) + "</li>");
                write!(out, "<ul>{items}</ul>")
            }
            Block::Table(rows) => {
                let rows = rows.iter().fold(String::new(), |all, row| {
                    let cells =
                        row.iter().fold(String::new(), |r, cell| r + "<td>" + &escape(cell) + "</td>");
                    all + "<tr>" + &cells + "</tr>"
                });
                write!(out, "<table border=\"1\"><tbody>{rows}</tbody></table>")
            }
        };
    }
    out.push_str("</div>");
    out
}

/// The blocks as plain text.
pub(crate) fn plain(blocks: &[Block]) -> String {
    let parts: Vec<String> = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Paragraph(text) | Block::Code(text) => Some(text.clone()),
            Block::Quote(text) => Some(text.lines().map(|l| format!("> {l}")).collect::<Vec<_>>().join("\n")),
            Block::Signature(text) => Some(format!("--\n{text}")),
            Block::Image(_, name) => Some(format!("![]({name})")),
            Block::Foreign(_) => None,
            Block::List(items) => Some(items.iter().map(|i| format!("* {i}")).collect::<Vec<_>>().join("\n")),
            Block::Table(rows) => Some(rows.iter().map(|r| r.join(" | ")).collect::<Vec<_>>().join("\n")),
        })
        .collect();
    parts.join("\n\n")
}
