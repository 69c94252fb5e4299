//! What was said in a ticket: messages, private notes, telephone calls.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::attachment::Attachment;
use super::content::{self, Block};
use super::draw::{Domain, Draw};
use super::ids::{COMMENTS, COMMENTS_PER_TICKET, CommentId, UserId};
use super::text::{Language, PRODUCTS, Section};
use super::ticket::Ticket;
use super::traps::Trap;
use super::{Company, at};

/// Who wrote a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// The service itself; shown as -1.
    System,
    /// A user, who may be deleted by now.
    User(UserId),
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::System => serializer.serialize_i64(-1),
            Self::User(id) => id.serialize(serializer),
        }
    }
}

/// What a comment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommentKind {
    /// Written.
    Comment,
    /// A telephone call; the body is a summary.
    VoiceComment,
}

/// One comment of a ticket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: CommentKind,
    /// Who wrote it.
    pub author_id: Author,
    /// False for a private note.
    pub public: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// Plain text.
    pub plain_body: String,
    /// HTML; inline images are `attachment:ID`.
    pub html_body: String,
    /// Files, the inline ones included.
    pub attachments: Vec<Attachment>,
    /// Where it came from.
    pub via: Value,
    /// Of a telephone call: numbers, length, recording.
    pub data: Option<Value>,
}

/// An HTML body may have about this many bytes; longer ones are not accepted by the service.
const BODY_LIMIT: usize = 64 * 1024;

impl Company {
    /// The id of a ticket's comment; also of comments after the last generated one.
    pub fn comment_id(&self, ticket_index: u64, place: u64) -> CommentId {
        CommentId(COMMENTS.id(ticket_index * COMMENTS_PER_TICKET + place))
    }

    /// All comments of a ticket, oldest first, one at a time.
    pub fn comments<'a>(&'a self, ticket: &'a Ticket) -> impl Iterator<Item = Comment> + use<'a> {
        (0..ticket.comment_count).map(|place| self.draw_comment(ticket, place))
    }

    /// The comment at a place, the oldest is 0.
    pub fn comment(&self, ticket: &Ticket, place: u64) -> Option<Comment> {
        (place < ticket.comment_count).then(|| self.draw_comment(ticket, place))
    }

    /// When a comment was written: never before the one before it.
    fn comment_time(&self, ticket: &Ticket, place: u64) -> i64 {
        let created = ticket.created_at.as_second();
        if place == 0 {
            return if self.trap(Trap::CommentBeforeTicket, ticket.index) { created - 1 } else { created };
        }
        let step = ticket.thread_seconds / ticket.comment_count;
        let same_second = place == 1 && self.trap(Trap::SameSecond, ticket.index);
        let jitter = Draw::new(self.seed(), Domain::Thread, self.comment_id(ticket.index, place).0)
            .below(step * 4 / 5 + 1);
        let after =
            if same_second { 0 } else { ticket.thread_seconds * place / ticket.comment_count + jitter };
        created + i64::try_from(after).unwrap_or(0)
    }

    fn draw_comment(&self, ticket: &Ticket, place: u64) -> Comment {
        let id = self.comment_id(ticket.index, place);
        let draw = &mut Draw::new(self.seed(), Domain::Comment, id.0);
        let voice = place == 1 && self.trap(Trap::VoiceComment, ticket.index);
        let merge = (place > 0 && place + 1 == ticket.comment_count)
            .then(|| ticket.merged_into.or(ticket.merged_from))
            .flatten();
        let (author, by_staff) = self.draw_author(ticket, place, merge.is_some(), draw);
        let first_private = place == 0 && self.trap(Trap::PrivateFirst, ticket.index);
        let public = !first_private && (place == 0 || !by_staff || (!draw.chance(180) && merge.is_none()));
        let attachments = self.attachments(ticket.index, place);
        let blocks = if let Some(other) = merge {
            let text = if ticket.merged_into.is_some() {
                format!("This request was closed and merged into request #{other}.")
            } else {
                format!("Request #{other} was closed and merged into this request.")
            };
            vec![Block::Paragraph(text)]
        } else if voice {
            vec![Block::Paragraph(
                "Call from: +1 (555) 0100\nAnswered by: Acme\nLength of phone call: 3 minutes".to_owned(),
            )]
        } else {
            self.draw_blocks(ticket, place, by_staff, public, &attachments)
        };
        let via = match merge {
            Some(other) => {
                json!({"channel": "web", "source": {"from": {"ticket_id": other, "subject": null}, "to": {}, "rel": "merge"}})
            }
            None if voice => {
                json!({"channel": "voice", "source": {"from": {"phone": "+15550100"}, "to": {}, "rel": "inbound"}})
            }
            None if author == Author::System => {
                json!({"channel": "system", "source": {"from": {}, "to": {}, "rel": null}})
            }
            None if by_staff => json!({"channel": "web", "source": {"from": {}, "to": {}, "rel": null}}),
            None => {
                json!({"channel": "email", "source": {"from": {"address": "customer@post.example", "name": "Customer",
                "original_recipients": ["help@acme.example"]}, "to": {"address": "help@acme.example", "name": "Acme"}, "rel": null}})
            }
        };
        Comment {
            id,
            kind: if voice { CommentKind::VoiceComment } else { CommentKind::Comment },
            author_id: author,
            public,
            created_at: at(self.comment_time(ticket, place)),
            plain_body: content::plain(&blocks),
            html_body: content::html(&blocks, ticket.language.is_right_to_left()),
            attachments,
            via,
            data: voice.then(|| {
                json!({"from": "+15550100", "to": "+15550199", "call_duration": 181, "answered_by_id": ticket.assignee_id,
                    "recording_url": "https://voice.recordings.example/recordings/RE0001", "transcription_text": null})
            }),
        }
    }

    /// Who wrote a comment, and whether it came from the company's side.
    fn draw_author(&self, ticket: &Ticket, place: u64, merge: bool, draw: &mut Draw) -> (Author, bool) {
        let agents = self.size().agents;
        if place == 0 {
            let staff = self.user_ordinal(ticket.submitter_id).is_some_and(|ordinal| ordinal < agents);
            return (Author::User(ticket.submitter_id), staff);
        }
        if place == 1 && self.trap(Trap::SystemAuthor, ticket.index) {
            return (Author::System, true);
        }
        if place == 1 && self.trap(Trap::GoneAuthor, ticket.index) {
            return (Author::User(self.user_id(self.past_customer(true, draw))), false);
        }
        // Answers alternate, but people also write twice.
        let by_staff = merge || draw.chance(if place % 2 == 1 { 780 } else { 280 });
        if by_staff {
            let own = ticket.assignee_id.filter(|_| draw.chance(700));
            return (Author::User(own.unwrap_or_else(|| self.user_id(self.current_agent(draw)))), true);
        }
        let cc = if draw.chance(100) { ticket.email_cc_ids.first().copied() } else { None };
        (Author::User(cc.unwrap_or(ticket.requester_id)), false)
    }

    fn draw_blocks(
        &self,
        ticket: &Ticket,
        place: u64,
        by_staff: bool,
        public: bool,
        files: &[Attachment],
    ) -> Vec<Block> {
        let draw = &mut Draw::new(self.seed(), Domain::Body, self.comment_id(ticket.index, place).0);
        let language = ticket.language;
        let section = match (by_staff, public) {
            (true, true) => Section::Agent,
            (true, false) => Section::Note,
            _ => Section::Customer,
        };
        let mut blocks = Vec::new();
        if public {
            blocks.push(Block::Paragraph(language.line(Section::Greeting, draw).to_owned()));
        }
        let most = if draw.chance(100) { 9 } else { 3 };
        for _ in 0..draw.between(1, most) {
            blocks.push(Block::Paragraph(sentences(language, section, draw)));
        }
        if draw.chance(50) {
            let mut rows = vec![["Artikel".to_owned(), "Qty".to_owned(), "€".to_owned()]];
            for _ in 0..draw.between(1, 4) {
                rows.push([
                    draw.pick(&PRODUCTS).to_owned(),
                    draw.between(1, 20).to_string(),
                    format!("{},90", draw.below(400)),
                ]);
            }
            blocks.push(Block::Table(rows));
        }
        if draw.chance(50) {
            blocks.push(Block::List(vec![
                sentences(language, section, draw),
                "Ctrl + Shift + R".to_owned(),
                "2 > 1".to_owned(),
            ]));
        }
        if draw.chance(40) {
            blocks.push(Block::Code(
                "ERROR [main] <init>: \"connection refused\"\n\tat Acme.sync(Acme.java:42)".to_owned(),
            ));
        }
        if draw.chance(120) {
            blocks.push(Block::Paragraph(draw.pick(&["😀👍", "🙏🏽 ✨", "❤️ 👩🏾‍💻", "¯\\_(ツ)_/¯"]).to_owned()));
        }
        for file in files.iter().filter(|file| file.inline || file.referenced) {
            blocks.push(Block::Image(file.id, file.file_name.clone()));
        }
        if place == 0 && self.trap(Trap::ForeignImages, ticket.index) {
            blocks.push(Block::Foreign("https://newsletter.example/pixel.gif?u=1"));
            blocks.push(Block::Foreign("cid:image001.png@01D8"));
            blocks.push(Block::Foreign("data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="));
        }
        if public {
            blocks.push(Block::Signature(language.line(Section::Closing, draw).to_owned()));
        }
        if place > 0 && public && draw.chance(250) {
            let quoted = format!(
                "{}\n{}",
                language.line(Section::Greeting, draw),
                sentences(language, Section::Customer, draw)
            );
            blocks.push(Block::Quote(quoted));
        }
        if place == 0 && self.trap(Trap::HugeBody, ticket.index) {
            fill(&mut blocks, language, draw);
        }
        blocks
    }
}

fn sentences(language: Language, section: Section, draw: &mut Draw) -> String {
    let product = draw.pick(&PRODUCTS);
    let count = draw.between(1, 3);
    let parts: Vec<&str> = (0..count).map(|_| language.line(section, draw)).collect();
    let gap = if language == Language::Ja { "" } else { " " };
    parts.join(gap).replace("{p}", product)
}

/// Adds quotes until the HTML is nearly as long as the service allows: a mail thread quoted again and again.
fn fill(blocks: &mut Vec<Block>, language: Language, draw: &mut Draw) {
    let right_to_left = language.is_right_to_left();
    let mut length = content::html(blocks, right_to_left).len();
    loop {
        let quote = Block::Quote(sentences(language, Section::Customer, draw));
        length += content::block_html(&quote, right_to_left).len();
        if length >= BODY_LIMIT {
            return;
        }
        blocks.push(quote);
    }
}
