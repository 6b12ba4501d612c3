use super::*;
use crate::load::prompt::Prompt;
use crate::load::schedule::Turn;
use crate::plan::Arm;

fn parse(text: &str) -> Trace {
    Trace::parse(text.as_bytes(), None, None).unwrap_or_else(|error| panic!("{error}"))
}

fn replay(trace: Trace, loops: u64) -> Replay {
    Replay::new(trace, 1.0, loops, 1_000_000_000, 7)
}

fn turns(text: &str, loops: u64) -> Vec<Turn> {
    replay(parse(text), loops).flatten().collect()
}

const MOONCAKE: &str = r#"{"timestamp": 1000, "input_length": 1100, "output_length": 50, "hash_ids": [0, 1, 2]}
{"timestamp": 1500, "input_length": 1024, "output_length": 0, "hash_ids": [0, 1]}
{"timestamp": 4000, "input_length": 600, "output_length": 7, "hash_ids": [3, 1]}
"#;

#[test]
fn a_mooncake_trace_has_blocks_of_512_and_times_in_milliseconds() {
    let trace = parse(MOONCAKE);
    assert_eq!((trace.format, trace.block_tokens), (Format::Mooncake, 512));
    let at: Vec<_> = trace.records.iter().map(|record| record.at_ns.unwrap() / 1_000_000).collect();
    assert_eq!(at, [0, 500, 3_000], "from the first request");
    let turns = turns(MOONCAKE, 1);
    let Prompt::Blocks(pieces) = &turns[0].prompt else { panic!("{turns:?}") };
    assert_eq!(pieces.iter().map(|piece| piece.tokens).collect::<Vec<_>>(), [512, 512, 76]);
    assert_eq!(turns.iter().map(|turn| turn.reusable_tokens).collect::<Vec<_>>(), [0, 1_024, 0]);
    assert_eq!(turns.iter().map(|turn| turn.max_tokens).collect::<Vec<_>>(), [Some(50), Some(1), Some(7)]);
    assert_eq!((turns[0].arm, turns[1].arm), (Arm::Cold, Arm::Hit));
}

#[test]
fn a_loop_has_the_hits_of_the_first_one_and_no_more() {
    let found: Vec<u64> = turns(MOONCAKE, 3).iter().map(|turn| turn.reusable_tokens).collect();
    assert_eq!(found, [0, 1_024, 0, 0, 1_024, 0, 0, 1_024, 0]);
    let mut replay = replay(parse(MOONCAKE), 2);
    let due: Vec<u64> = std::iter::from_fn(|| {
        let due = replay.due_ns();
        replay.next().and(due)
    })
    .map(|due| due / 1_000_000)
    .collect();
    assert_eq!(due, [0, 500, 3_000, 4_500, 5_000, 7_500], "after the last comes the mean gap");
}

#[test]
fn a_qwen_bailian_trace_has_blocks_of_16_and_times_in_seconds_and_ids_of_blocks_alone() {
    let text = r#"{"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.1, "input_length": 40, "output_length": 8, "type": "text", "turn": 1, "hash_ids": [9, 8, 7]}
{"chat_id": 160, "parent_chat_id": 159, "timestamp": 62.6, "input_length": 48, "output_length": 8, "type": "text", "turn": 2, "hash_ids": [9, 5, 7]}"#;
    let trace = parse(text);
    assert_eq!((trace.format, trace.block_tokens), (Format::QwenBailian, 16));
    assert_eq!(trace.records[1].at_ns, Some(1_500_000_000));
    assert_eq!(turns(text, 1)[1].reusable_tokens, 16, "only what stands at the beginning");
}

#[test]
fn a_weka_trace_has_sessions_with_ids_of_their_own_and_those_of_subagents() {
    let text = r#"{"id": "a", "block_size": 64, "hash_id_scope": "local", "requests": [
  {"t": 0.0, "type": "n", "model": "m", "in": 128, "out": 9, "hash_ids": [1, 2]},
  {"t": 4.0, "type": "subagent", "requests": [{"t": 5.0, "type": "n", "in": 100, "out": 9, "hash_ids": [1, 3]}]}]}
{"id": "b", "block_size": 64, "hash_id_scope": "local", "requests": [
  {"t": 1.0, "type": "n", "model": "m", "in": 128, "out": 9, "hash_ids": [1, 2]}]}"#;
    let trace = parse(text);
    assert_eq!((trace.format, trace.block_tokens, trace.records.len()), (Format::Weka, 64, 3));
    assert!(trace.records.is_sorted_by_key(|record| record.at_ns));
    assert_eq!(turns(text, 1).iter().map(|turn| turn.reusable_tokens).collect::<Vec<_>>(), [0, 0, 64]);
}

#[test]
fn traces_of_lengths_have_nothing_in_common() {
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,374,109\n";
    let trace = parse(azure);
    assert_eq!((trace.format, trace.records[1].at_ns), (Format::Azure, Some(4_314_579_000)));
    assert!(turns(azure, 1).iter().all(|turn| turn.reusable_tokens == 0 && turn.prompt.tokens() == 374));
    let newer = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n";
    assert_eq!(parse(newer).records.len(), 1);
    let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,API log\n118,GPT-4,417,276,693,API log\n";
    let trace = parse(burst);
    assert_eq!((trace.format, trace.records.len(), trace.skipped), (Format::BurstGpt, 2, 1), "no answer is a failure");
    assert_eq!(trace.records[1].at_ns, Some(113_000_000_000));
}

#[test]
fn a_sharegpt_conversation_is_replayed_turn_by_turn() {
    let text = r#"[{"id": "x", "conversations": [{"from": "human", "value": "Hello there"}, {"from": "gpt", "value": "Good day to you"},
        {"from": "human", "value": "How are you?"}, {"from": "gpt", "value": "Well"}, {"from": "human", "value": "unanswered"}]},
        {"id": "y", "conversations": [{"from": "gpt", "value": "nobody asked"}]}]"#;
    let trace = parse(text);
    assert_eq!((trace.format, trace.skipped, trace.is_timed()), (Format::ShareGpt, 1, false));
    let replay = replay(trace, 1);
    assert_eq!((replay.requests(), replay.turns()), (2, 2.0));
    let turns: Vec<Turn> = replay.flatten().collect();
    let counts = turns.iter().map(|turn| match &turn.prompt {
        Prompt::Given { count, .. } => *count,
        other => panic!("{other:?}"),
    });
    assert_eq!(counts.collect::<Vec<_>>(), [1, 3]);
    assert_eq!(turns[1].reusable_tokens, turns[0].prompt.tokens());
}

#[test]
fn the_first_requests_are_read_and_a_block_may_be_said_to_be_larger() {
    let trace = Trace::parse(MOONCAKE.as_bytes(), Some(2), Some(1_024)).unwrap();
    assert_eq!((trace.records.len(), trace.block_tokens), (2, 1_024));
}

#[test]
fn what_is_no_trace_is_refused_by_its_line() {
    let refuse = |text: &str| Trace::parse(text.as_bytes(), None, None).unwrap_err().to_string();
    assert_eq!(refuse(" \n"), "it holds no request");
    assert!(refuse("{\"a\": 1}").starts_with("line 1 is no request of a trace: it has no input_length"));
    assert!(refuse("{\"input_length\": 1}\n{\"input_length\"").starts_with("line 2 is no request"));
    assert!(refuse("a,b\n1,2\n").starts_with("its columns are \"a,b\""));
    assert!(refuse("TIMESTAMP,ContextTokens,GeneratedTokens\nnever,1,2\n").starts_with("line 2 is no request"));
}
