//! When the simulated endpoint does what it does, seen through plain sockets that share nothing with the client.

use serde_json::{Value, json};
use ttft::clock::Nanos;
use ttft::sim::flavor::{FLAVORS, Flavor};

use super::alone;
use super::raw::{Answer, ask, chat, connect, exchange, post, request, sim};

const MS: Nanos = 1_000_000;

#[test]
fn a_head_comes_with_the_first_token_or_at_once() {
    let _alone = alone();
    for (flavor, name, _) in FLAVORS {
        let sim = sim("instant,base=60ms", name, &[]);
        let answer = post(&sim, "/v1/chat/completions", &chat("river", 1));
        let head_is_late = answer.head_ns > 50_000_000;
        assert_eq!(head_is_late, matches!(flavor, Flavor::Sglang | Flavor::Ollama), "{name}: {}", answer.head_ns);
    }
}

#[test]
fn a_role_comes_before_the_prefill_where_it_does() {
    let _alone = alone();
    for (flavor, name, _) in FLAVORS {
        let sim = sim("instant,base=60ms", name, &[]);
        let answer = post(&sim, "/v1/chat/completions", &chat("river", 1));
        let early = answer.read_ns(br#""role":"assistant""#).unwrap() < 50_000_000;
        assert_eq!(early, matches!(flavor, Flavor::OpenAi | Flavor::Azure | Flavor::DeepSeek), "{name}");
        assert!(answer.first_token_ns() >= 60_000_000, "{name}");
    }
}

#[test]
fn llamacpp_tells_how_far_the_prefill_is_when_asked() {
    let _alone = alone();
    let sim = sim("instant,base=60ms", "llamacpp", &[]);
    let mut body = chat(&" river".repeat(100), 1);
    body["return_progress"] = json!(true);
    let answer = post(&sim, "/v1/chat/completions", &body);
    let told: Vec<Value> = answer.chunks().iter().filter_map(|chunk| chunk.get("prompt_progress").cloned()).collect();
    let at = |processed: u64| json!({"total": 108, "cache": 0, "processed": processed});
    assert_eq!(told, [at(0), at(54)]);
    assert!(answer.read_ns(br#""processed":54"#).unwrap() < 60_000_000);
}

#[test]
fn buffered_events_come_together_when_the_last_is_due() {
    let _alone = alone();
    let sim = sim("instant,decode=20ms", "vllm", &["buffered"]);
    let answer = post(&sim, "/v1/chat/completions", &chat(" river under paper", 5));
    assert!(answer.first_token_ns() >= 80 * MS);
    let done = answer.read_ns(b"[DONE]").unwrap();
    assert!(done - answer.first_token_ns() < 20 * MS);
    assert!(sim.truth()[0].first_write_ns.unwrap() - sim.truth()[0].planned_first_ns.unwrap() >= 80 * MS);
}

#[test]
fn an_early_role_is_no_token() {
    let _alone = alone();
    let sim = sim("instant,base=300ms", "vllm", &["early_role=200"]);
    let answer = post(&sim, "/v1/chat/completions", &chat(" river under paper", 5));
    let role = answer.read_ns(br#""role":"assistant""#).unwrap();
    assert!((100 * MS..250 * MS).contains(&role), "{role}");
    assert!(answer.first_token_ns() >= 300 * MS);
}

#[test]
fn what_is_stored_late_is_hit_late() {
    let _alone = alone();
    let sim = sim("instant", "vllm", &["async_store=150"]);
    let cached = |answer: Answer| answer.usage()["prompt_tokens_details"]["cached_tokens"].clone();
    let ask = || cached(post(&sim, "/v1/chat/completions", &chat(&" river".repeat(100), 1)));
    assert_eq!(ask(), 0);
    assert_eq!(ask(), 0);
    // Nothing is hit until the time is up, and then it is.
    let late = (0..10_000).find(|_| ask() == 96);
    assert!(late.is_some());
    let truths = sim.truth();
    let stored = truths[0].planned_first_ns.unwrap();
    let hit = truths.iter().find(|truth| truth.hit_tokens[0] > 0).unwrap();
    assert!(hit.started_ns.unwrap() - stored >= 150 * MS);
}

#[test]
fn nagle_holds_small_writes_back_until_the_client_acknowledges() {
    let _alone = alone();
    let third = |fault: Option<&str>| {
        let sim = sim("instant,decode=1ms", "vllm", fault.as_slice());
        let sent = request("POST", "/v1/chat/completions", "", &chat("river", 30).to_string());
        let mut connection = connect(&sim);
        (0..3).map(|_| exchange(&mut connection, &sent)).last().unwrap()
    };
    // A delayed acknowledgement takes 40 ms, and until it comes the first token waits behind the role.
    let (held, free) = (third(Some("nagle")), third(None));
    assert!(held.first_token_ns() > 20 * MS, "{}", held.first_token_ns());
    assert!(free.first_token_ns() < held.first_token_ns());
}

#[test]
fn the_first_token_comes_when_the_plan_says_and_the_truth_knows_it() {
    let _alone = alone();
    let sim = sim("instant,base=20ms,per_token=10us,decode=5ms", "vllm", &[]);
    let body = chat(&" river".repeat(1_000), 3);
    let sent = request("POST", "/v1/chat/completions", "x-request-id: one\r\n", &body.to_string());
    let answer = ask(&sim, &sent);
    let truth = &sim.truth()[0];
    assert_eq!(truth.request_id.as_deref(), Some("one"));
    assert_eq!((truth.prompt_tokens, truth.completion_tokens, truth.token_events), (1_008, 3, 3));
    let planned = 20 * MS + 1_008 * 10_000;
    assert_eq!(truth.planned_first_ns.unwrap() - truth.started_ns.unwrap(), planned);
    // Never early; how late it may be depends on what else the machine does.
    let ttft = truth.ttft_ns().unwrap();
    assert!((planned..planned + 50 * MS).contains(&ttft), "{ttft}");
    assert!(truth.last_write_ns.unwrap() - truth.first_write_ns.unwrap() >= 9 * MS);
    // The client's own clock brackets the server's.
    assert!(answer.first_token_ns() >= ttft, "{} {ttft}", answer.first_token_ns());
}

#[test]
fn a_second_request_waits_for_the_prefill_of_the_first() {
    let _alone = alone();
    let sim = sim("instant,base=30ms,prefill=serial", "vllm", &[]);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3)
            .map(|id| {
                scope.spawn({
                    let sim = &sim;
                    move || post(sim, "/v1/chat/completions", &chat(&[" alpha", " gamma", " delta"][id].repeat(50), 1))
                })
            })
            .collect();
        asked.into_iter().for_each(|asked| assert!(asked.join().unwrap().is_done()));
    });
    let mut starts: Vec<Nanos> = sim.truth().iter().map(|truth| truth.started_ns.unwrap()).collect();
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 30 * MS), "{starts:?}");
    assert!(sim.truth().iter().any(|truth| truth.queue_ns().unwrap() >= 50 * MS));
}
