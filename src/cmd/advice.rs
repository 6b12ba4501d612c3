//! What to tell a person when a request failed: what was attempted, what was found, what to do.

use crate::endpoint::{Answer, AskError};
use crate::net::DialError;
use crate::sample::Outcome;
use crate::wire::refusal::{Parameter, Refusal, classify};

/// A server that could not be asked for its models.
pub fn unasked(error: &AskError) -> String {
    match error {
        AskError::Dial(error) => undialled(error),
        AskError::Silent { .. } => {
            format!(
                "{error}; check that the address is right and the server is not stuck, or give it longer with --wait"
            )
        }
        AskError::Broken { .. } => format!("{error}; check that an OpenAI-style server listens at --api_base"),
    }
}

fn undialled(error: &DialError) -> String {
    let what = match error {
        DialError::Resolve { .. } => "check the host in --api_base",
        DialError::Connect { .. } => "start a server there, name another with --api_base, or try --sim",
        DialError::Proxy { .. } => "check --proxy",
        DialError::Tls { .. } => {
            "check that the server speaks TLS on this port; --ca_file trusts its own certificate, --insecure any"
        }
    };
    format!("{error}; {what}")
}

/// An answer to `url` that is not what was asked for.
pub fn refused(url: &str, answer: &Answer) -> String {
    let mut refusal = classify(answer.status, &answer.body);
    if let Some(location) = answer.head.location() {
        refusal.message = format!("see {location}");
    }
    if let Some(after) = answer.head.retry_after() {
        refusal.message = format!("{} (Retry-After: {after})", refusal.message).trim_start().to_owned();
    }
    let said = if refusal.message.is_empty() { String::new() } else { format!(": {}", refusal.message) };
    format!("{url} answered {}{said}; {}", answer.status, what_to_do(&refusal.refusal))
}

/// A request that failed. `models` are those that the server lists.
pub fn failed(outcome: &Outcome, models: &[String]) -> String {
    match outcome {
        Outcome::Ok => "the request went well".to_owned(),
        Outcome::Unreachable { message, .. } => {
            format!("{message}; check that the server is still up, or look at its log")
        }
        Outcome::NotAStream { content_type } => {
            let found = content_type.as_deref().unwrap_or("nothing that says what it is");
            let page = found.contains("html");
            let what = if page {
                "a proxy or a web page answers there: check --api_base and --proxy"
            } else {
                "the server ignores \"stream\": true, and without a stream there is no first token to time"
            };
            format!("asked for an event stream and got {found}; {what}")
        }
        Outcome::TooLong { message, .. } => {
            format!("the prompt does not fit the model's context: {message}; lower --max_ctx_tokens")
        }
        Outcome::Rejected { status, message } => {
            let refusal = classify(*status, message.as_bytes()).refusal;
            let what = match &refusal {
                Refusal::UnknownModel { known } if known.is_empty() && !models.is_empty() => {
                    format!("it serves {}; name one with --model", models.join(", "))
                }
                Refusal::NotFound if message.contains("model") && !models.is_empty() => {
                    format!("it serves {}; name one with --model", models.join(", "))
                }
                refusal => what_to_do(refusal),
            };
            let said = if message.is_empty() { String::new() } else { format!(": {message}") };
            format!("the server answered {status}{said}; {what}")
        }
        Outcome::ServerError { message } => {
            format!("the server reported an error inside the stream: {message}; look at its log")
        }
        Outcome::Timeout { phase } => {
            let what = if phase == "first_token" { "no first token" } else { "no further token" };
            format!("{what} came within --timeout; look at the server's log, or wait longer with --timeout")
        }
        Outcome::Truncated => {
            "the stream ended without a finish reason or [DONE]; the server or a proxy cut it short, look at their logs"
                .to_owned()
        }
        Outcome::NoToken => {
            "the stream ended and carried no text; the model may have stopped at once: try another --prompt, a larger \
             --max_tokens, or --extra_body '{\"ignore_eos\":true}'"
                .to_owned()
        }
        Outcome::Reset { phase, message } => {
            let when = match phase.as_str() {
                "send" => "while the request was being sent",
                "first_token" => "before the first token",
                _ => "in the middle of the stream",
            };
            format!("the connection broke {when}: {message}; look at the server's log")
        }
        Outcome::Malformed { message } => {
            format!("what came back could not be read: {message}; --keep_wire DIR keeps the bytes to look at")
        }
        Outcome::Interrupted => "interrupted; what was measured is in the log".to_owned(),
    }
}

fn what_to_do(refusal: &Refusal) -> String {
    match refusal {
        Refusal::TooLong { .. } => "lower --max_ctx_tokens".to_owned(),
        Refusal::TooLarge => {
            "a proxy or the server limits the size of a request: raise its limit or lower --max_ctx_tokens".to_owned()
        }
        Refusal::Parameter(Parameter::Other(name)) => format!("leave {name} out of --extra_body"),
        Refusal::Parameter(_) => "the server takes none of the forms of this parameter that ttft knows".to_owned(),
        Refusal::UnknownModel { known } if known.is_empty() => "name one that it serves with --model".to_owned(),
        Refusal::UnknownModel { known } => format!("it serves {}; name one with --model", known.join(", ")),
        Refusal::Unauthorized => {
            "give the key with --api_key, or --api_key env to take it from OPENAI_API_KEY".to_owned()
        }
        Refusal::NotFound => {
            "check --api_base: it is the part before /chat/completions, such as http://localhost:8000/v1".to_owned()
        }
        Refusal::Moved => "give the new address as --api_base; redirects are not followed".to_owned(),
        Refusal::Overloaded => "the server is busy: come back later, or leave more time with --gap".to_owned(),
        Refusal::Loading => "the model is still loading: --wait 120s waits for it".to_owned(),
        Refusal::ServerFailed => "look at the log of the server, and of any proxy before it".to_owned(),
        Refusal::Other => "look at the server's log".to_owned(),
    }
}
