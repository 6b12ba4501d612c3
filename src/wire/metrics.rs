//! The cache counters and the server's own clocks on a `/metrics` page, in the Prometheus text format.
//!
//! ```text
//! page = *( comment | sample )
//! sample = name [ "{" labels "}" ] value [ timestamp ]
//! ```
//! A counter with several label sets (one for each engine) is summed. Client libraries append `_total` to a counter's
//! name or do not; both are the same. Absent is `None` and never 0.

use serde::{Deserialize, Serialize};

/// Prompt tokens that a server has counted since it started or, as a difference, between two pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Looked up in the engine's own cache: the prompts' lengths.
    pub queried_tokens: Option<u64>,
    /// Found there.
    pub local_cached_tokens: Option<u64>,
    /// Found outside the engine, in LMCache for one, by the engine's count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_cached_tokens: Option<u64>,
    /// Found by LMCache's own server. It looks from the prompt's beginning, so this holds what the engine had too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lmcache_hit_tokens: Option<u64>,
    /// Of these, in its memory, and in what lies behind that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lmcache_l1_hit_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lmcache_l2_hit_tokens: Option<u64>,
}

/// Names for each counter, the first that a page has counts: vLLM, vLLM before V1, SGLang.
const QUERIED: [&str; 3] = ["vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries", "sglang:prompt_tokens"];
const LOCAL: [&str; 3] = ["vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits", "sglang:cached_tokens"];
/// llama.cpp's prompts are what it computed and what it found; before August 2026 it did not count the latter.
const LLAMACPP_COMPUTED: &str = "llamacpp:prompt_tokens";
const LLAMACPP_CACHED: &str = "llamacpp:prompt_tokens_cached";
/// vLLM's own count of what its connector found, else what LMCache within vLLM's process loaded.
const EXTERNAL: [&str; 2] = ["vllm:external_prefix_cache_hits", "lmcache:num_hit_tokens"];
/// LMCache as a process of its own.
const LMCACHE: &str = "lmcache_mp_lookup_hit_tokens";
const LMCACHE_L1: &str = "lmcache_mp_lookup_hit_l1_tokens";
const LMCACHE_L2: &str = "lmcache_mp_lookup_hit_l2_tokens";

impl Counters {
    /// Reads a page; whatever is no counter of a cache is passed over.
    pub fn parse(page: &str) -> Counters {
        let first = |names: &[&str]| names.iter().find_map(|name| sum(page, name)).map(|sum| sum as u64);
        let llamacpp = first(&[LLAMACPP_COMPUTED]).zip(first(&[LLAMACPP_CACHED]));
        Counters {
            queried_tokens: first(&QUERIED).or(llamacpp.map(|(computed, cached)| computed + cached)),
            local_cached_tokens: first(&LOCAL).or(llamacpp.map(|(_, cached)| cached)),
            external_cached_tokens: first(&EXTERNAL),
            lmcache_hit_tokens: first(&[LMCACHE]),
            lmcache_l1_hit_tokens: first(&[LMCACHE_L1]),
            lmcache_l2_hit_tokens: first(&[LMCACHE_L2]),
        }
    }

    /// What was counted since `before`. A counter that went backwards was reset, and says nothing.
    pub fn since(&self, before: &Counters) -> Counters {
        let since = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        Counters {
            queried_tokens: since(self.queried_tokens, before.queried_tokens),
            local_cached_tokens: since(self.local_cached_tokens, before.local_cached_tokens),
            external_cached_tokens: since(self.external_cached_tokens, before.external_cached_tokens),
            lmcache_hit_tokens: since(self.lmcache_hit_tokens, before.lmcache_hit_tokens),
            lmcache_l1_hit_tokens: since(self.lmcache_l1_hit_tokens, before.lmcache_l1_hit_tokens),
            lmcache_l2_hit_tokens: since(self.lmcache_l2_hit_tokens, before.lmcache_l2_hit_tokens),
        }
    }

    /// Whether there is anything to go by.
    pub fn is_told(&self) -> bool {
        self.queried_tokens.is_some() && self.local_cached_tokens.is_some()
    }

    /// Found outside the engine and not in it: by the engine's count, else what LMCache found beyond the engine.
    pub fn external(&self) -> Option<u64> {
        let beyond = || Some(self.lmcache_hit_tokens?.saturating_sub(self.local_cached_tokens?));
        self.external_cached_tokens.or_else(beyond)
    }

    /// As a difference around one request of `prompt_tokens`: what of it was cached anywhere; `None` when the counters
    /// moved by anything else than this request, so that others must have used the server.
    pub fn cached_of(&self, prompt_tokens: u64) -> Option<u64> {
        let is_alone = self.queried_tokens? == prompt_tokens;
        let cached = self.local_cached_tokens? + self.external().unwrap_or(0);
        is_alone.then_some(cached)
    }
}

/// Whether the engine looks for prompts outside itself, in LMCache or an offload: vLLM counts what it asks its connector.
/// `None` where the page does not tell.
pub fn asks_outside(page: &str) -> Option<bool> {
    let is_queries =
        |name: &str| name == "vllm:external_prefix_cache_queries" || name == "lmcache:num_requested_tokens";
    let queries = page.lines().filter_map(sample).filter(|(name, _)| is_queries(name)).map(|(_, value)| value);
    queries.reduce(|sum, value| sum + value).map(|queries| queries > 0.0)
}

/// Tokens in a block of the engine's cache, as vLLM's `cache_config_info` and SGLang's gauge tell.
pub fn block_size(page: &str) -> Option<u64> {
    config(page, "block_size").or_else(|| gauge(page, "sglang:page_size")).filter(|&size| size > 0)
}

/// Tokens that the engine's own cache holds, by the same two.
pub fn capacity_tokens(page: &str) -> Option<u64> {
    let of_blocks = || config(page, "num_gpu_blocks")?.checked_mul(block_size(page)?);
    config(page, "kv_cache_size_tokens").or_else(of_blocks).or_else(|| gauge(page, "sglang:max_total_num_tokens"))
}

/// Tokens that host memory behind the engine's own cache holds, as SGLang's HiCache tells.
pub fn host_tokens(page: &str) -> Option<u64> {
    gauge(page, "sglang:hicache_host_total_tokens").filter(|&tokens| tokens > 0)
}

/// A label of vLLM's configuration, where it is a number. All engines of a server have the same.
fn config(page: &str, label: &str) -> Option<u64> {
    let line = page.lines().find(|line| line.contains("cache_config_info{"))?;
    let after = line.split(['{', ',']).find_map(|part| part.strip_prefix(label)?.strip_prefix("=\""))?;
    after.split('"').next()?.parse().ok()
}

/// Of several label sets, such as the ranks of a tensor-parallel server, the first.
fn gauge(page: &str, wanted: &str) -> Option<u64> {
    page.lines().filter_map(sample).find(|(name, _)| *name == wanted).map(|(_, value)| value as u64)
}

/// How long requests took inside the server, by its own clocks: totals since it started or, as a difference, between two
/// pages. A total over requests has a mean and no quantile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spans {
    /// From the arrival until the first computation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Span>,
    /// From there to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Span>,
    /// From the arrival to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft: Option<Span>,
}

/// The sum and the count of a histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub sum_ns: u64,
    pub requests: u64,
}

/// Names of histograms in seconds, the first that a page has counts: vLLM, SGLang, TGI.
const QUEUE: [&str; 3] = ["vllm:request_queue_time_seconds", "sglang:queue_time_seconds", "tgi_request_queue_duration"];
const PREFILL: [&str; 1] = ["vllm:request_prefill_time_seconds"];
const FIRST: [&str; 2] = ["vllm:time_to_first_token_seconds", "sglang:time_to_first_token_seconds"];

impl Spans {
    /// Reads a page; whatever is no such histogram is passed over.
    pub fn parse(page: &str) -> Spans {
        let span = |name: &str| {
            let (seconds, requests) = (sum(page, &format!("{name}_sum"))?, sum(page, &format!("{name}_count"))?);
            Some(Span { sum_ns: (seconds * 1e9) as u64, requests: requests as u64 })
        };
        let first = |names: &[&str]| names.iter().find_map(|name| span(name));
        Spans { queue: first(&QUEUE), prefill: first(&PREFILL), ttft: first(&FIRST) }
    }

    /// What was counted since `before`. A histogram that went backwards was reset, and says nothing.
    pub fn since(&self, before: &Spans) -> Spans {
        let since = |now: Option<Span>, then: Option<Span>| {
            let (now, then) = (now?, then?);
            Some(Span {
                sum_ns: now.sum_ns.checked_sub(then.sum_ns)?,
                requests: now.requests.checked_sub(then.requests)?,
            })
        };
        Spans {
            queue: since(self.queue, before.queue),
            prefill: since(self.prefill, before.prefill),
            ttft: since(self.ttft, before.ttft),
        }
    }

    /// Both together.
    pub fn and(&self, other: &Spans) -> Spans {
        let and = |one: Option<Span>, other: Option<Span>| {
            let both = |one: Span, other: Span| Span {
                sum_ns: one.sum_ns + other.sum_ns,
                requests: one.requests + other.requests,
            };
            one.zip(other).map(|(one, other)| both(one, other)).or(one).or(other)
        };
        Spans {
            queue: and(self.queue, other.queue),
            prefill: and(self.prefill, other.prefill),
            ttft: and(self.ttft, other.ttft),
        }
    }

    /// Whether there is anything to go by.
    pub fn is_told(&self) -> bool {
        *self != Spans::default()
    }
}

impl Span {
    /// In nanoseconds; `None` over no request.
    pub fn mean(self) -> Option<f64> {
        (self.requests > 0).then(|| self.sum_ns as f64 / self.requests as f64)
    }
}

/// The values of a name on a page, over all its labels.
fn sum(page: &str, name: &str) -> Option<f64> {
    let values = page.lines().filter_map(sample).filter(|(found, _)| *found == name).map(|(_, value)| value);
    values.reduce(|sum, value| sum + value)
}

/// A line's name, without `_total`, and value.
fn sample(line: &str) -> Option<(&str, f64)> {
    let line = line.trim();
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    // A label's value may hold a brace, but the labels end at the last one.
    let rest = rest.rfind('}').map_or(rest, |at| &rest[at + 1..]);
    let value = rest.split_whitespace().next()?.parse().ok().filter(|value: &f64| value.is_finite())?;
    (!name.starts_with('#')).then(|| (name.strip_suffix("_total").unwrap_or(name), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# HELP vllm:prefix_cache_queries_total Prefix cache queries, in tokens.
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"a}b\"} 1000.0
vllm:prefix_cache_queries_total{engine=\"1\",model_name=\"a}b\"} 2.0e3
vllm:prefix_cache_hits_total{engine=\"0\"} 512 1700000000
vllm:external_prefix_cache_hits_total 256
vllm:prompt_tokens_total 7
";

    fn counters(queried: u64, local: u64, external: u64) -> Counters {
        Counters {
            queried_tokens: Some(queried),
            local_cached_tokens: Some(local),
            external_cached_tokens: Some(external),
            ..Counters::default()
        }
    }

    #[test]
    fn what_lmcaches_server_finds_beyond_the_engine_is_external() {
        let engine = "vllm:prefix_cache_queries_total 0\nvllm:prefix_cache_hits_total 0\n";
        let lmcache = "lmcache_mp_lookup_requested_tokens_total 0\nlmcache_mp_lookup_hit_tokens_total 0\n";
        let before = Counters::parse(&format!("{engine}{lmcache}"));
        let after = "vllm:prefix_cache_queries_total 2030\nvllm:prefix_cache_hits_total 512\n\
                     lmcache_mp_lookup_hit_tokens_total 1792\nlmcache_mp_lookup_hit_l1_tokens_total 1536\n";
        let moved = Counters::parse(after).since(&before);
        assert_eq!((moved.external(), moved.cached_of(2_030)), (Some(1_280), Some(1_792)));
        assert_eq!(moved.lmcache_l1_hit_tokens, None, "what was not counted before has no difference");
        assert_eq!(Counters::parse(engine).external(), None);
    }

    #[test]
    fn llama_cpp_counts_what_it_computed_and_what_it_found() {
        let page = "llamacpp:prompt_tokens_total 1094\nllamacpp:prompt_tokens_cached_total 5276\n";
        let told = Counters::parse(page);
        assert_eq!((told.queried_tokens, told.local_cached_tokens), (Some(6_370), Some(5_276)));
        let older = Counters::parse("llamacpp:prompt_tokens_total 1094\n");
        assert_eq!(older, Counters::default(), "without the second the first says nothing of the cache");
    }

    #[test]
    fn counters_are_summed_over_engines_with_and_without_total() {
        let told = counters(3_000, 512, 256);
        assert_eq!(Counters::parse(PAGE), told);
        assert_eq!(Counters::parse(&PAGE.replace("_total", "")), told);
        assert_eq!(Counters::parse(&PAGE.replace('\n', "\r\n")), told);
    }

    #[test]
    fn an_engine_that_asks_its_connector_has_an_outer_tier() {
        let page = |queries| format!("vllm:external_prefix_cache_queries_total{{engine=\"0\"}} {queries}\n");
        assert_eq!(
            [page("0.0"), page("2030.0"), String::new()].map(|page| asks_outside(&page)),
            [Some(false), Some(true), None]
        );
    }

    #[test]
    fn the_block_size_is_a_label_of_the_configuration() {
        let page = "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"100\"} 1.0\n";
        assert_eq!(block_size(page), Some(16));
        assert_eq!(capacity_tokens(page), Some(1_600));
        assert_eq!(block_size(&page.replace("16", "None")), None);
        assert_eq!((block_size(PAGE), capacity_tokens(PAGE)), (None, None));
    }

    #[test]
    fn a_size_in_tokens_goes_before_a_number_of_blocks() {
        let page = "vllm:cache_config_info{_block_size_resolved=\"True\",block_size=\"128\",\
                    effective_attention_block_size=\"64\",hash_block_size=\"None\",kv_cache_size_tokens=\"131072\",\
                    num_cpu_blocks=\"None\",num_gpu_blocks=\"2048\"} 1.0\n";
        assert_eq!((block_size(page), capacity_tokens(page), host_tokens(page)), (Some(128), Some(131_072), None));
    }

    #[test]
    fn sglang_tells_its_memory_and_the_hosts() {
        let page = "sglang:max_total_num_tokens{tp_rank=\"0\"} 471258.0\nsglang:max_total_num_tokens{tp_rank=\"1\"} 471258.0\n\
                    sglang:page_size{tp_rank=\"0\"} 64.0\nsglang:hicache_host_total_tokens{tp_rank=\"0\"} 932032.0\n";
        assert_eq!(
            (block_size(page), capacity_tokens(page), host_tokens(page)),
            (Some(64), Some(471_258), Some(932_032))
        );
    }

    #[test]
    fn a_page_without_them_tells_nothing() {
        for page in
            ["", "# nothing", "<html>{}</html>", "vllm:prefix_cache_hits_total", "vllm:prefix_cache_hits_total NaN"]
        {
            assert!(!Counters::parse(page).is_told(), "{page}");
        }
    }

    #[test]
    fn the_servers_clocks_are_differences_of_sums_and_counts() {
        let page = |sum: &str, count| {
            format!(
                "vllm:request_queue_time_seconds_bucket{{le=\"0.3\"}} 4\n\
                 vllm:request_queue_time_seconds_sum{{engine=\"0\"}} {sum}\n\
                 vllm:request_queue_time_seconds_count{{engine=\"0\"}} {count}\n"
            )
        };
        let (before, after) = (Spans::parse(&page("1.5", 3)), Spans::parse(&page("2.25", 6)));
        let moved = after.since(&before);
        assert_eq!(moved.queue, Some(Span { sum_ns: 750_000_000, requests: 3 }));
        assert_eq!(moved.queue.unwrap().mean(), Some(250_000_000.0));
        assert_eq!((moved.prefill, moved.ttft), (None, None));
        assert_eq!(before.since(&after).queue, None, "a restarted server");
        assert!(!Spans::parse("# nothing").is_told() && !Spans::parse(PAGE).is_told());
    }

    #[test]
    fn a_difference_belongs_to_a_request_only_when_nothing_else_moved_it() {
        let before = Counters::parse(PAGE);
        let after = counters(3_100, 560, 288);
        let moved = after.since(&before);
        assert_eq!(moved.cached_of(100), Some(80));
        assert_eq!(moved.cached_of(99), None, "others used the server");
        assert_eq!(before.since(&after), Counters::default(), "a restarted server");
    }
}
