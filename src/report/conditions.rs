//! What the logs say about how they came to be, for the reader who wants to repeat it.

use std::collections::HashMap;

use super::data::{Data, Log};

/// What is the same in every session is said once, what differs of each.
pub(super) fn all(data: &Data) -> Vec<(String, String)> {
    let whose = |log: &Log, at: usize| {
        let label = if data.is_labelled() { format!("{} ", log.label) } else { String::new() };
        let session = if log.conditions.len() > 1 { format!("session {} ", at + 1) } else { String::new() };
        label + &session
    };
    let sessions =
        data.logs.iter().flat_map(|log| log.conditions.iter().enumerate().map(move |(at, of)| (log, at, of)));
    let said: Vec<(String, &(String, String))> =
        sessions.flat_map(|(log, at, of)| of.iter().map(move |pair| (whose(log, at), pair))).collect();
    let mut times: HashMap<&(String, String), usize> = HashMap::new();
    said.iter().for_each(|(_, pair)| *times.entry(pair).or_default() += 1);
    let all: usize = data.logs.iter().map(|log| log.conditions.len()).sum();
    let is_known_of_all = data.logs.iter().all(|log| !log.conditions.is_empty());
    let knowing: Vec<&str> =
        data.logs.iter().filter(|log| !log.conditions.is_empty()).map(|log| log.label.as_str()).collect();
    let theirs = if is_known_of_all { String::new() } else { format!("{} ", knowing.join(", ")) };
    let mut conditions: Vec<(String, String)> = Vec::new();
    for (whose, pair) in &said {
        let is_common = times.get(pair) == Some(&all);
        let named = (format!("{}{}", if is_common { &theirs } else { whose }, pair.0), pair.1.clone());
        if !is_common || !conditions.contains(&named) {
            conditions.push(named);
        }
    }
    conditions
}
