//! What the documents claim, held to the program.

use std::collections::HashSet;

use ttft::exit::Exit;

const BUNDLED: &str = include_str!("../../assets/ffmpeg.txt");
const README: &str = include_str!("../../README.md");
const README_ZH: &str = include_str!("../../README.zh-CN.md");
const FORMAT: &str = include_str!("../../docs/FORMAT.md");

/// The cells of every row of the page's tables whose first cell begins with `prefix`.
fn rows<'a>(page: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    page.lines().filter(|line| line.starts_with('|')).map(cells).filter(|row| row[0].starts_with(prefix)).collect()
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_bundled_text_is_long_and_never_repeats_itself() {
    assert!((80_000..100_000).contains(&BUNDLED.len()), "{} bytes", BUNDLED.len());
    let mut lines = HashSet::new();
    for line in BUNDLED.lines().filter(|line| !line.is_empty()) {
        assert!(lines.insert(line), "this line stands there twice: {line}");
    }
    let text = BUNDLED.split_whitespace().collect::<Vec<_>>();
    let mut runs = HashSet::new();
    for run in text.windows(12) {
        assert!(runs.insert(run), "these words stand there twice: {}", run.join(" "));
    }
}

/// The table of flags and defaults, then that of recommended values.
fn flag_tables(page: &str) -> (Vec<Vec<&str>>, Vec<Vec<&str>>) {
    let mut flags = rows(page, "`-");
    flags.retain(|row| row.len() == 3);
    let recommended = flags.split_off(9);
    (flags, recommended)
}

#[test]
fn both_readmes_give_every_flag_the_default_it_has() {
    let command = ttft::cli::command();
    for page in [README, README_ZH] {
        for row in flag_tables(page).0 {
            let name = code(row[0]).into_iter().find_map(|flag| flag.strip_prefix("--")).unwrap();
            let flag = command.get_arguments().find(|arg| arg.get_long() == Some(name));
            let flag = flag.unwrap_or_else(|| panic!("there is no --{name}"));
            for default in flag.get_default_values().iter().filter_map(|value| value.to_str()) {
                let documented = code(row[1]).first().map(|value| value.trim_matches('"'));
                assert!(default == "false" || documented == Some(default), "--{name} is {default} by default");
            }
        }
    }
}

#[test]
fn both_readmes_recommend_the_same_values_for_flags_that_exist() {
    let command = ttft::cli::command();
    let values = |page| flag_tables(page).1.iter().map(|row| (code(row[0])[0], code(row[2]))).collect::<Vec<_>>();
    assert_eq!(values(README).len(), 7);
    assert_eq!(values(README), values(README_ZH));
    for (flag, _) in values(README) {
        assert!(command.get_arguments().any(|arg| arg.get_long() == flag.strip_prefix("--")), "there is no {flag}");
    }
}

#[test]
fn the_program_takes_every_value_that_is_recommended() {
    for row in flag_tables(README).1 {
        let flag = code(row[0])[0];
        let cell = code(row[2]);
        // A range such as 2-3 recommends both of its ends.
        let values = cell.iter().flat_map(|value| match value.split_once('-') {
            Some((low, high)) if flag == "--num_following" => vec![low, high],
            _ => vec![value.trim_matches('"')],
        });
        let given = values.map(|value| vec!["ttft", flag, value]).collect::<Vec<_>>();
        for argv in if given.is_empty() && flag == "--flush_cache" { vec![vec!["ttft", flag]] } else { given } {
            let parsed = ttft::cli::parse(argv.iter().map(Into::into));
            assert!(parsed.is_ok(), "{argv:?}: {}", parsed.unwrap_err());
        }
    }
}

/// The original's table, section 9.7, without its header.
const ORIGINAL: [&str; 7] = [
    "| `--api_base` | API服务器地址 | `http://localhost:8000/v1` (Mistral) / `http://localhost:8001/v1` (Yi-34B) |",
    "| `--model` | 模型名称 | `\"mistralai/Mistral-7B-Instruct-v0.1\"` / `\"01-ai/Yi-34B-200K\"` |",
    "| `--max_ctx_tokens` | 最大上下文长度 | `1000` (测试) / `32000` (大文档) |",
    "| `--context_file` | 文档文件 | `\"\"` (使用ffmpeg.txt) / `\"your_file.txt\"` |",
    "| `--prompt` | 用户提示词 | 见上表推荐提示词 |",
    "| `--num_following` | 后续测试次数 | `1` (基础) / `2-3` (详细测试) |",
    "| `--flush_cache` | 是否刷新缓存 | 添加此参数测试缓存刷新效果 |",
];

#[test]
fn the_chinese_readme_has_the_original_s_table_of_parameters() {
    for row in ORIGINAL {
        assert!(README_ZH.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn every_exit_code_is_documented() {
    let all = [Exit::Ok, Exit::Failed, Exit::Usage, Exit::Missed, Exit::Inconclusive, Exit::Interrupted];
    for page in [README, README_ZH, FORMAT] {
        let codes: Vec<u8> = rows(page, "").into_iter().filter_map(|row| row[0].parse().ok()).collect();
        assert_eq!(codes, all.map(Exit::code));
    }
}
