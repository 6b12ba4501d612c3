use super::*;

fn time(value: f64, _: f64) -> String {
    format!("{value} ms")
}

fn count(value: f64, _: f64) -> String {
    format!("{value}")
}

fn mark(trial: u64, x: f64, y: f64) -> Mark {
    Mark { trial, row: trial as usize - 1, x, y, title: format!("trial {trial}") }
}

fn series(name: &str, hue: usize, shapes: Vec<Shape>) -> Series {
    Series { name: name.into(), hue, open: false, shapes }
}

fn scatter() -> Figure {
    let cold = (1..=6u64).map(|n| mark(n, f64::from(1 << n) * 500.0, 30.0 * f64::from(1 << n))).collect();
    let hit = (7..=12u64).map(|n| mark(n, f64::from(1 << (n - 6)) * 500.0, 20.0 + n as f64)).collect();
    Figure {
        name: "ttft".into(),
        title: "TTFT against context length".into(),
        caption: "Each dot is one request.".into(),
        x: Axis { label: "context_tokens".into(), law: Law::Log, tick: count, include: vec![] },
        y: Axis { label: "TTFT".into(), law: Law::Log, tick: time, include: vec![] },
        series: vec![
            series("cold", 0, vec![Shape::Dots(cold)]),
            Series { open: true, ..series("hit", 1, vec![Shape::Dots(hit)]) },
        ],
        rules: vec![Rule { across: Across::X, at: 4000.0, label: "break-even".into() }],
    }
}

fn waterfall() -> Figure {
    let bar = |row, from, to, label: &str| Bar { row, from, to, label: label.into(), title: label.into() };
    Figure {
        name: "ladder".into(),
        title: "One request".into(),
        caption: "From the hand-over of the request.".into(),
        x: Axis { label: "time".into(), law: Law::Linear, tick: time, include: vec![0.0] },
        y: Axis {
            label: String::new(),
            law: Law::Rows(vec!["upload".into(), "wait".into(), "stream".into()]),
            tick: count,
            include: vec![],
        },
        series: vec![series(
            "cold",
            0,
            vec![Shape::Bars(vec![
                bar(0, 0.0, 2.0, "2 ms"),
                bar(1, 2.0, 400.0, "398 ms"),
                bar(2, 400.0, 450.0, "50 ms"),
            ])],
        )],
        rules: vec![],
    }
}

#[test]
fn each_dot_is_one_circle_in_its_series_with_its_trial() {
    let svg = scatter().svg();
    assert_eq!(svg.matches("<circle cx=").count(), 12);
    let (_, cold) = svg.split_once(r#"<g data-series="cold""#).expect("a cold series");
    let (cold, hit) = cold.split_once(r#"<g data-series="hit""#).expect("a hit series");
    assert!(cold.contains(r#"data-trial="6" data-row="5"><title>trial 6</title>"#));
    assert!(!cold.contains(r#"data-trial="7""#) && hit.contains(r#"data-trial="7""#));
}

#[test]
fn a_dot_stands_where_the_axis_says() {
    let mut figure = scatter();
    // Ticks at 10 and 1,000; a dot halfway between them on a logarithmic axis.
    figure.series =
        vec![series("a", 0, vec![Shape::Dots(vec![mark(1, 10.0, 1.0), mark(2, 100.0, 1.0), mark(3, 1000.0, 1.0)])])];
    figure.rules.clear();
    let svg = figure.svg();
    let at = |trial: u64| -> f64 {
        let circle = svg.lines().find(|line| line.contains(&format!(r#"data-trial="{trial}""#))).expect("the dot");
        circle.split('"').nth(1).expect("cx").parse().expect("a number")
    };
    assert!((at(2) - (at(1) + at(3)) / 2.0).abs() <= 0.1);
    let beside = format!(r#"<text x="{}""#, at(2).round());
    let mut words = svg.lines().zip(svg.lines().skip(1)).filter(|(tag, _)| tag.contains(&beside)).map(|(_, word)| word);
    assert!(words.any(|word| word == "100"), "the tick under the middle dot is its own");
}

#[test]
fn names_and_titles_cannot_leave_their_element() {
    let hostile = r#"</title><script>alert(1)</script>"'&"#;
    let mut figure = scatter();
    figure.title = hostile.into();
    figure.caption = hostile.into();
    figure.name = hostile.into();
    figure.x.label = format!("{hostile}\u{0}\u{1b}");
    figure.series[0].name = format!("{hostile}\u{0}");
    figure.rules[0].label = hostile.into();
    if let Shape::Dots(marks) = &mut figure.series[0].shapes[0] {
        marks[0].title = hostile.into();
    }
    let svg = figure.svg();
    assert!(!svg.contains("<script"), "no element of the log's");
    assert!(!svg.contains('\u{0}') && !svg.contains('\u{1b}'));
    assert!(png(&svg).is_ok(), "still well-formed");
}

#[test]
fn the_picture_and_the_file_are_the_same_bytes() {
    assert_eq!(scatter().svg(), scatter().svg());
    assert!(png(&scatter().svg()).is_ok_and(|png| png.len() > 10_000));
}

#[test]
fn a_figure_without_marks_says_so_and_still_draws() {
    let mut figure = scatter();
    figure.series.clear();
    assert!(figure.is_empty());
    assert!(png(&figure.svg()).is_ok());
    assert!(figure.blocks(80).lines().count() > 10);
}

#[test]
fn the_terminal_chart_stays_within_its_columns_and_shows_both_series() {
    for width in [40, 60, 80] {
        let text = scatter().blocks(width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        assert!(text.contains('●') && text.contains('□') && text.contains("cold"), "{text}");
    }
}

#[test]
fn names_of_wide_letters_stay_within_the_columns_too() {
    for name in ["缓存".repeat(30), "无缓存 / cold ".repeat(8)] {
        let mut figure = scatter();
        figure.series[0].name = name.clone();
        figure.title = name.clone();
        let mut rows = waterfall();
        rows.y.law = Law::Rows(vec![name, "wait".into(), "stream".into()]);
        for text in [figure.blocks(80), rows.blocks(80)] {
            assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
        }
    }
}

#[test]
fn long_names_are_cut_at_their_begin_and_long_titles_set_in_lines() {
    let mut figure = scatter();
    figure.series[0].name = format!("{}/vllm.jsonl cold", "runs/of/a/long/day".repeat(5));
    figure.title = "Time to first token against the share of the document that was seen before at 16,000 tokens".into();
    let svg = figure.svg();
    assert!(svg.contains("…") && svg.contains("/vllm.jsonl cold</text>"), "the end of a path tells");
    assert!(svg.contains(&format!(r#"data-key="{}""#, figure.series[0].name)), "a switch has the whole name");
    assert_eq!(svg.matches(r#"font-size="16""#).count(), 2, "two lines of title");
}

#[test]
fn the_terminal_chart_of_two_series() {
    insta::assert_snapshot!(scatter().blocks(80));
}

#[test]
fn the_terminal_waterfall() {
    insta::assert_snapshot!(waterfall().blocks(80));
}

#[test]
fn a_terminal_is_sent_no_control_characters() {
    let mut figure = scatter();
    figure.series[0].name = "\u{1b}[31mred\u{7}".into();
    assert!(figure.blocks(80).chars().all(|c| c == '\n' || !c.is_control()));
}
