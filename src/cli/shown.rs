//! The command line without its secrets.

use std::ffi::OsString;

/// The command line as it may be shown and logged: the values of secrets are `***`.
pub fn shown(argv: &[OsString]) -> Vec<String> {
    let mut secret_follows = false;
    argv.iter().map(|arg| shown_arg(&arg.to_string_lossy(), &mut secret_follows)).collect()
}

fn shown_arg(arg: &str, secret_follows: &mut bool) -> String {
    if std::mem::take(secret_follows) {
        return "***".to_owned();
    }
    let (flag, value) = arg.split_once('=').map_or((arg, None), |(flag, value)| (flag, Some(value)));
    match flag.replace('-', "_").as_str() {
        "__api_key" | "__other_api_key" | "__header" => match value {
            Some(_) => format!("{flag}=***"),
            None => {
                *secret_follows = true;
                arg.to_owned()
            }
        },
        _ => without_userinfo(arg),
    }
}

/// Userinfo and query of a URL are secrets too.
fn without_userinfo(arg: &str) -> String {
    let Some((before, after)) = arg.split_once("://") else { return arg.to_owned() };
    let end = after.find('/').unwrap_or(after.len());
    let host = after[..end].rfind('@').map_or(after[..end].to_owned(), |at| format!("***@{}", &after[at + 1..end]));
    let path = &after[end..];
    let path = path.find('?').map_or(path.to_owned(), |at| format!("{}?***", &path[..at]));
    format!("{before}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let argv =
            "ttft --api_key sk-1 --api-key=sk-2 --header A:sk-3 --header=B:sk-4 --api_base https://u:sk-5@h/v1?k=sk-6";
        let shown = shown(&argv.split(' ').map(OsString::from).collect::<Vec<_>>()).join(" ");
        assert!(!shown.contains("sk-"), "{shown}");
        assert!(shown.ends_with("--api_base https://***@h/v1?***"), "{shown}");
    }
}
