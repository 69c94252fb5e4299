//! The body of a comment as blocks, written out as HTML and as plain text.
//!
//! Constraint: both forms come from the same blocks, so that a migration that takes one of them can be compared
//! with either.

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

const fn direction(right_to_left: bool) -> &'static str {
    if right_to_left { "rtl" } else { "auto" }
}

/// The blocks as the service's HTML.
pub(crate) fn html(blocks: &[Block], right_to_left: bool) -> String {
    let mut out = format!("<div class=\"zd-comment\" dir=\"{}\">", direction(right_to_left));
    for block in blocks {
        out.push_str(&block_html(block, right_to_left));
    }
    out.push_str("</div>");
    out
}

/// One block as HTML.
pub(crate) fn block_html(block: &Block, right_to_left: bool) -> String {
    match block {
        Block::Paragraph(text) => format!("<p dir=\"{}\">{}</p>", direction(right_to_left), lines(text)),
        Block::Quote(text) => format!("<blockquote type=\"cite\"><p>{}</p></blockquote>", lines(text)),
        Block::Code(text) => format!("<pre><code>{}</code></pre>", escape(text)),
        Block::Signature(text) => format!("<p>--<br><em>{}</em></p>", lines(text)),
        Block::Image(id, name) => {
            format!("<p><img src=\"attachment:{id}\" alt=\"{}\" style=\"max-width:100%\"></p>", escape(name))
        }
        Block::Foreign(source) => format!("<img src=\"{source}\">"),
        Block::List(items) => {
            let items = items.iter().fold(String::new(), |all, item| all + "<li>" + &lines(item) + "</li>");
            format!("<ul>{items}</ul>")
        }
        Block::Table(rows) => {
            let rows = rows.iter().fold(String::new(), |all, row| {
                let cells = row.iter().fold(String::new(), |r, cell| r + "<td>" + &escape(cell) + "</td>");
                all + "<tr>" + &cells + "</tr>"
            });
            format!("<table border=\"1\"><tbody>{rows}</tbody></table>")
        }
    }
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
