//! The YAML document as a tree in which every key and value knows its place.
//!
//! Constraints: a tree is built completely before anything is decoded, so that all mistakes are reported at once; nesting and
//! size are bounded, because aliases can blow up a small document; scalars stay text, because only the setting they belong to
//! decides what they mean (`2023-01-01`, `0123` and `no` are texts where a text is wanted).

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle};

use super::problem::{Place, Report};

/// Deepest nesting. The deepest setting has 5 levels; dropping and decoding recurse.
const MAX_DEPTH: usize = 32;
/// Most nodes after aliases are resolved: a mapping of 10,000 agents has 20,000.
const MAX_NODES: usize = 200_000;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) place: Place,
    /// What it is.
    pub(super) value: Value,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing (`key:` or `~`).
    Null,
    /// Text; `plain` if it was written without quotes.
    Scalar { text: String, plain: bool },
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the document, without duplicates.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    /// The value.
    pub(super) node: Node,
}

impl Node {
    /// What the node is, in words.
    pub(super) fn description(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Scalar { .. } => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Whether nothing was written.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    fn size(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar { .. } => 1,
            Value::Sequence(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Value::Mapping(entries) => 1 + entries.iter().map(|entry| 1 + entry.node.size()).sum::<usize>(),
        }
    }
}

/// A collection whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<(String, Place)> },
}

/// Builds the tree; `None` if the text is no single YAML document. Every problem found is reported.
pub(super) fn read(yaml: &str, report: &mut Report) -> Option<Node> {
    let mut builder = Builder { report, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None };
    for event in Parser::new_from_str(yaml) {
        match event {
            Ok((event, span)) => {
                if !builder.take(event, place_of(&span.start)) {
                    return None;
                }
            }
            Err(error) => {
                builder.report.add(
                    place_of(error.marker()),
                    "",
                    format!("this is not YAML: {}", error.info()),
                    "correct the line, often its indentation or a missing quote",
                );
                return None;
            }
        }
    }
    let Builder { root, report, .. } = builder;
    if root.as_ref().is_none_or(Node::is_null) {
        report.add(
            Place { line: 1, column: 1 },
            "",
            "the plan is empty",
            "begin with `version: 1`, `name`, `source` and `target`",
        );
        return None;
    }
    root
}

fn place_of(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

struct Builder<'a> {
    report: &'a mut Report,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    /// Takes one event; `false` ends the reading.
    fn take(&mut self, event: Event<'_>, place: Place) -> bool {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Value::Null
                } else {
                    Value::Scalar { text: text.into_owned(), plain }
                };
                self.place_key_or_node(Node { place, value }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(place, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.begin(place, anchor, Content::Mapping { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    self.report.add(place, "", "an alias refers to itself", "write the value out");
                    return false;
                };
                self.nodes += node.size();
                self.place_key_or_node(Node { place, ..node }, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.report.add(
                    place,
                    "",
                    "there is a second document in the file",
                    "keep one plan per file",
                );
                false
            }
            _ => true,
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Content) -> bool {
        if let Some(Open { content: Content::Mapping { key: None, .. }, .. }) = self.open.last() {
            self.report.add(place, "", "a key is a list or a mapping", "write keys as plain words");
            return false;
        }
        if self.open.len() >= MAX_DEPTH {
            self.report.add(
                place,
                "",
                "the plan is nested too deeply",
                "no setting needs more than five levels",
            );
            return false;
        }
        self.open.push(Open { place, anchor, content });
        true
    }

    fn end(&mut self) -> bool {
        let Some(Open { place, anchor, content }) = self.open.pop() else { return true };
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { entries, .. } => Value::Mapping(entries),
        };
        self.place_key_or_node(Node { place, value }, anchor)
    }

    fn place_key_or_node(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.report.add(
                node.place,
                "",
                "the plan is too big",
                "write repeated values once or split the migration",
            );
            return false;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return true;
        };
        match &mut parent.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, key } => match key.take() {
                None => match node.value {
                    Value::Scalar { text, .. } => *key = Some((text, node.place)),
                    Value::Null => *key = Some(("null".to_owned(), node.place)),
                    Value::Sequence(_) | Value::Mapping(_) => {
                        self.report.add(
                            node.place,
                            "",
                            "a key is a list or a mapping",
                            "write keys as plain words",
                        );
                        return false;
                    }
                },
                Some((key, place)) => {
                    if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                        let message = format!("`{key}` is given twice (first in line {})", first.place.line);
                        self.report.add(place, &key, message, "remove one of the two");
                    } else {
                        entries.push(Entry { key, place, node });
                    }
                }
            },
        }
        true
    }
}
