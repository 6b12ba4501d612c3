//! The counters of `/metrics`, under the names that each flavour gives them.

use std::fmt::Write;

use super::engine::Engine;
use super::flavor::Flavor;
use crate::clock::Nanos;

/// The page, or `None` for a flavour that has none. It says `claimed` times the capacity.
pub(super) fn page(flavor: Flavor, engine: &Engine, claimed: u64) -> Option<String> {
    let rows = match flavor {
        Flavor::Vllm => vllm(engine, claimed),
        Flavor::Sglang => sglang(engine, claimed),
        Flavor::LlamaCpp => llamacpp(engine),
        Flavor::Tgi => tgi(engine),
        _ => return None,
    };
    let mut page = String::new();
    for Row { kind, name, labels, value } in rows {
        let family = match kind {
            "histogram" => name.trim_end_matches("_sum").trim_end_matches("_count"),
            _ => name,
        };
        // Writing to a string cannot fail.
        if !page.contains(&format!("# TYPE {family} ")) {
            let _ = writeln!(page, "# TYPE {family} {kind}");
        }
        let _ = writeln!(page, "{name}{labels} {value}");
    }
    Some(page)
}

struct Row {
    kind: &'static str,
    name: &'static str,
    labels: String,
    value: f64,
}

fn row(kind: &'static str, name: &'static str, labels: &str, value: f64) -> Row {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    Row { kind, name, labels, value }
}

fn seconds(ns: Nanos) -> f64 {
    ns as f64 / 1e9
}

fn vllm(engine: &Engine, claimed: u64) -> Vec<Row> {
    let (running, waiting) = engine.lengths();
    let counters = engine.counters;
    let cache = &engine.profile.cache;
    let labels = format!("engine=\"0\",model_name=\"{}\"", engine.profile.model);
    let counter = |name, value: u64| row("counter", name, &labels, value as f64);
    let gauge = |name, value: f64| row("gauge", name, &labels, value);
    let below: u64 = counters.hit_tokens[1..].iter().sum();
    let asked_below = if cache.tiers.len() > 1 { counters.lower_queries } else { 0 };
    let source = |name: &str, value: u64| {
        let labels = format!("{labels},source=\"{name}\"");
        row("counter", "vllm:prompt_tokens_by_source_total", &labels, value as f64)
    };
    // As in vLLM, it is the engine's own cache. What a connector holds behind it is not the engine's to tell.
    let block = cache.tiers.first().map_or(1, |tier| tier.block_tokens);
    let blocks = claimed * engine.capacity_tokens() / block;
    let config = format!(
        "block_size=\"{block}\",enable_prefix_caching=\"{}\",engine=\"0\",kv_cache_size_tokens=\"{}\",\
         num_cpu_blocks=\"None\",num_gpu_blocks=\"{blocks}\",num_gpu_blocks_override=\"None\"",
        if engine.profile.hit { "True" } else { "False" },
        blocks * block,
    );
    let histogram = |sum, count, ns| {
        let requests = counters.requests as f64;
        [row("histogram", sum, &labels, seconds(ns)), row("histogram", count, &labels, requests)]
    };
    let mut rows = vec![
        gauge("vllm:num_requests_running", running as f64),
        gauge("vllm:num_requests_waiting", waiting as f64),
        gauge("vllm:kv_cache_usage_perc", engine.share_in_use()),
        counter("vllm:prefix_cache_queries_total", if engine.profile.hit { counters.prompt_tokens } else { 0 }),
        counter("vllm:prefix_cache_hits_total", counters.hit_tokens[0]),
        counter("vllm:external_prefix_cache_queries_total", asked_below),
        counter("vllm:external_prefix_cache_hits_total", below),
        counter("vllm:prompt_tokens_total", counters.prompt_tokens),
        counter("vllm:prompt_tokens_cached_total", counters.hit_tokens[0] + below),
        source("local_compute", counters.prompt_tokens - counters.hit_tokens[0] - below),
        source("local_cache_hit", counters.hit_tokens[0]),
        source("external_kv_transfer", below),
        counter("vllm:generation_tokens_total", counters.completion_tokens),
        row("gauge", "vllm:cache_config_info", &config, 1.0),
    ];
    let spans = [
        (
            "vllm:time_to_first_token_seconds_sum",
            "vllm:time_to_first_token_seconds_count",
            counters.queue_ns + counters.prefill_ns,
        ),
        ("vllm:request_queue_time_seconds_sum", "vllm:request_queue_time_seconds_count", counters.queue_ns),
        ("vllm:request_prefill_time_seconds_sum", "vllm:request_prefill_time_seconds_count", counters.prefill_ns),
    ];
    rows.extend(spans.into_iter().flat_map(|(sum, count, ns)| histogram(sum, count, ns)));
    rows
}

fn sglang(engine: &Engine, claimed: u64) -> Vec<Row> {
    let (running, waiting) = engine.lengths();
    let counters = engine.counters;
    let labels = format!("model_name=\"{}\"", engine.profile.model);
    let cached: u64 = counters.hit_tokens.iter().sum();
    let tiers = &engine.profile.cache.tiers;
    // HiCache keeps one pool in host memory.
    let host = tiers
        .get(1)
        .map(|host| row("gauge", "sglang:hicache_host_total_tokens", &labels, (claimed * host.capacity_tokens) as f64));
    let mut rows = vec![
        row("counter", "sglang:prompt_tokens_total", &labels, counters.prompt_tokens as f64),
        row("counter", "sglang:cached_tokens_total", &labels, cached as f64),
        row("counter", "sglang:generation_tokens_total", &labels, counters.completion_tokens as f64),
        row("gauge", "sglang:cache_hit_rate", &labels, cached as f64 / counters.prompt_tokens.max(1) as f64),
        row("gauge", "sglang:num_running_reqs", &labels, running as f64),
        row("gauge", "sglang:num_queue_reqs", &labels, waiting as f64),
        row("gauge", "sglang:max_total_num_tokens", &labels, (claimed * engine.capacity_tokens()) as f64),
        row("gauge", "sglang:page_size", &labels, tiers.first().map_or(1, |tier| tier.block_tokens) as f64),
    ];
    rows.extend(host);
    rows
}

fn llamacpp(engine: &Engine) -> Vec<Row> {
    let (running, waiting) = engine.lengths();
    let counters = engine.counters;
    let cached: u64 = counters.hit_tokens.iter().sum();
    vec![
        row("counter", "llamacpp:prompt_tokens_total", "", (counters.prompt_tokens - cached) as f64),
        row("counter", "llamacpp:prompt_tokens_cached_total", "", cached as f64),
        row("counter", "llamacpp:prompt_seconds_total", "", seconds(counters.prefill_ns)),
        row("counter", "llamacpp:tokens_predicted_total", "", counters.completion_tokens as f64),
        row("gauge", "llamacpp:requests_processing", "", running as f64),
        row("gauge", "llamacpp:requests_deferred", "", waiting as f64),
    ]
}

fn tgi(engine: &Engine) -> Vec<Row> {
    let counters = engine.counters;
    vec![
        row("counter", "tgi_request_count", "", counters.requests as f64),
        row("gauge", "tgi_queue_size", "", engine.lengths().1 as f64),
        row("histogram", "tgi_request_queue_duration_sum", "", seconds(counters.queue_ns)),
        row("histogram", "tgi_request_queue_duration_count", "", counters.requests as f64),
    ]
}
