//! The layers of the workspace: arrows point down only, crates of one layer do not know each other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Layer of each crate. A new crate must be put here, or the check fails.
const LAYERS: &[(&str, u8)] = &[
    ("model", 0),
    ("wire", 0),
    ("runtime", 1),
    ("queue", 1),
    ("ledger", 1),
    ("kayako", 1),
    ("sources", 1),
    ("blobs", 1),
    ("extractor", 2),
    ("transformer", 2),
    ("loader", 2),
    ("coordinator", 2),
    ("sandbox", 3),
    ("cli", 4),
    ("system-tests", 5),
    ("benchmark", 5),
    ("protocol-model", 5),
    ("crash-matrix", 6),
    ("simulation", 6),
];

/// What is wrong with an edge, if anything.
fn fault(layers: &BTreeMap<&str, u8>, from: &str, to: &str) -> Option<String> {
    let (Some(upper), Some(lower)) = (layers.get(from), layers.get(to)) else {
        return Some(format!("{from} -> {to}: give both crates a layer in this file"));
    };
    // The sandbox plays the other side: it must not share a line with the code it judges.
    if from == "sandbox" {
        return Some(format!("sandbox -> {to}: the sandbox must not use our own crates"));
    }
    (lower >= upper).then(|| format!("{from} (layer {upper}) uses {to} (layer {lower})"))
}

#[test]
fn arrows_point_down_only() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: Vec<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(ours.len(), LAYERS.len(), "every crate of the workspace has a layer: {ours:?}");
    let mut edges = 0;
    let mut faults = Vec::new();
    for package in packages {
        let from = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            // Tests may use the sandbox whatever their layer; the code they test may not.
            let for_tests = dependency["kind"].as_str() == Some("dev") && to == "sandbox";
            if ours.contains(&to) && !for_tests {
                edges += 1;
                faults.extend(fault(&layers, from, to));
            }
        }
    }
    assert!(edges > 20, "only {edges} edges were seen: the check looks at nothing");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_check_sees_an_upward_and_a_sideways_edge() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    assert!(fault(&layers, "queue", "loader").is_some(), "upward");
    assert!(fault(&layers, "queue", "ledger").is_some(), "sideways");
    assert!(fault(&layers, "extractor", "loader").is_some(), "service to service");
    assert!(fault(&layers, "sandbox", "model").is_some(), "sandbox");
    assert!(fault(&layers, "loader", "queue").is_none(), "downward is fine");
}
