//! The report: one HTML file without anything from elsewhere, as the benchmark's is.

use std::fmt::Write;

use super::{COLUMNS, Comparison, DEFAULT, LINUX, POLICY};
use crate::bench::report::{advantage, escape, short};

/// The part of a chart's width that the longest bar takes, in percent: the figure is behind it.
const WIDEST: f64 = 74.0;
/// Height of a bar, and from one to the next.
const BAR: (u32, u32) = (14, 19);

/// What the columns are called, and how they are drawn.
const TITLES: [(&str, &str, &str); 3] = [
    (DEFAULT, "ours-more", "Chitin without the policy"),
    (POLICY, "ours", "Chitin with it"),
    (LINUX, "theirs", "Linux, tuned, the same binary"),
];

/// The whole file. `all` is in the order of apps.
pub fn write(all: &[Comparison]) -> String {
    let apps: Vec<&[Comparison]> = all.chunk_by(|one, other| one.app == other.app).collect();
    let style = concat!(include_str!("../report/report.css"), include_str!("page.css"));
    let mut html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <meta name=color-scheme content=\"light dark\"><title>Chitin: policies, measured</title><style>{style}</style></head><body><main>\
         <header><p class=eyebrow>cargo x policies --measure all</p><h1>Policies, <em>measured</em></h1><p class=lead>What an app decides for \
         itself, by lines in its manifest: an unmodified program with its policies, without them, and on a stock Linux in the same \
         virtual machine. Exact counts of guest instructions, lower is better.</p></header>"
    );
    html += "<section class=tiles aria-label=\"In short\">";
    apps.iter().for_each(|app| html += &tile(app));
    html += "</section><div class=legend>";
    for (_, class, title) in TITLES {
        let _ = write!(html, "<span><i class=\"key {class}\"></i>{title}</span>");
    }
    html += "</div>";
    apps.iter().for_each(|app| html += &card(app));
    html += METHOD;
    html + "</main></body></html>\n"
}

const METHOD: &str = "<section class=card><h2>How it was measured</h2><p class=note>A tick of the guest's clock is one guest instruction; in each \
    boot a loop of known length proves it, or the run fails. Instructions are not cycles: a cache miss and a mispredicted branch cost \
    nothing here. <i>Without the policy</i> is the library's default, or what the app's manifest names in its place, which is then said. \
    On <i>Linux</i> every mitigation and hardening is off that a word on its command line turns off.</p></section>";

/// An app in short: its own figure on each ISA.
fn tile(app: &[Comparison]) -> String {
    let mut lines = String::new();
    for one in app {
        let [usual, ours, linux] = COLUMNS.map(|column| one.figure(column, &one.row));
        let Some((usual, ours)) = usual.zip(ours) else { continue };
        let (text, class) = advantage(ours / usual);
        let than = linux.map_or(String::new(), |linux| {
            let (text, class) = advantage(ours / linux);
            format!(", {text} <i>{} Linux</i>", if class == "even" { "as" } else { "than" })
        });
        let _ = write!(
            lines,
            "<div class=tile-row><span class=\"big {class}\">{text}</span><span class=small>{}{than}</span></div>",
            escape(&one.isa)
        );
    }
    let name = escape(&app[0].app);
    format!("<a class=tile href=\"#{name}\"><h3>{name}</h3>{lines}</a>")
}

fn card(app: &[Comparison]) -> String {
    let first = &app[0];
    let settings = |settings: &[String]| settings.iter().map(|setting| format!("<code>{}</code>", escape(setting))).collect::<String>();
    let against = if first.against.is_empty() { String::new() } else { format!(" against {}", settings(&first.against)) };
    let instead = if first.instead.is_empty() { String::new() } else { format!(" <b>Linux instead:</b> {}.", escape(&first.instead)) };
    let mut html = format!(
        "<section class=card id=\"{0}\"><h2>{0}</h2><p class=note>{1}{instead}</p><p class=settings>{2}{against}<span>cargo x run --app {0}</span></p><div class=\"rows rows-{3}\"><div></div>",
        escape(&first.app),
        escape(&first.about),
        settings(&first.settings),
        app.len()
    );
    app.iter().for_each(|one| {
        let _ = write!(html, "<div class=isa>{}</div>", escape(&one.isa));
    });
    for row in first.rows() {
        let figures = app.iter().flat_map(|one| COLUMNS.map(|column| one.figure(column, row)));
        let most = figures.flatten().fold(1.0, f64::max);
        let _ = write!(html, "<div class=label>{}</div>", escape(&title(first, row)));
        app.iter().for_each(|one| html += &chart(one, row, most));
    }
    html + "</div></section>"
}

/// What a row is called: the program's own words, or that it is the whole of it.
fn title(one: &Comparison, row: &str) -> String {
    if row == one.program { format!("all of {row}, from fork to wait") } else { row.replace(['_', '-'], " ") }
}

/// A row's bars on an ISA, from 0 on, and what part of the others' the policy's figure is.
fn chart(one: &Comparison, row: &str, most: f64) -> String {
    let (height, step) = BAR;
    let mut svg = format!(
        "<div class=cell><span class=isa-tag>{}</span><svg width=\"100%\" height={} role=img aria-label=\"{} on {}\">",
        escape(&one.isa),
        step * TITLES.len() as u32 + 4,
        escape(row),
        escape(&one.isa)
    );
    for (index, (column, class, title)) in TITLES.iter().enumerate() {
        let Some(figure) = one.figure(column, row) else { continue };
        let (y, width) = (4 + step * index as u32, (WIDEST * figure / most).max(0.4));
        let _ = write!(
            svg,
            "<rect class={class} x=0 y={y} width=\"{width:.2}%\" height={height} rx=2><title>{title}: {figure:.1}</title></rect>\
             <text class=value x=\"{width:.2}%\" dx=5 y={}>{}</text>",
            y + 11,
            short(figure)
        );
    }
    svg += "</svg><span class=parts>";
    if let Some(ours) = one.figure(POLICY, row) {
        for (column, than) in [(DEFAULT, "than without"), (LINUX, "than Linux")] {
            let Some(other) = one.figure(column, row) else { continue };
            let (text, class) = advantage(ours / other);
            let _ = write!(svg, "<span class=\"ratio {class}\" title=\"{than}\">{text}</span><small>{than}</small>");
        }
    }
    svg + "</span></div>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::transcript::Measured;

    fn comparison(isa: &str, figures: [f64; 3]) -> Comparison {
        let column = |figure| [("touch".to_owned(), Measured::Figure { median: figure, least: figure, most: figure })].into();
        Comparison {
            app: "a<b".into(),
            program: "touch".into(),
            isa: isa.into(),
            about: "one & two".into(),
            settings: vec!["paging=prefault".into()],
            against: Vec::new(),
            row: "touch".into(),
            instead: "nothing < something".into(),
            columns: COLUMNS.into_iter().zip(figures).map(|(title, figure)| (title.to_owned(), column(figure))).collect(),
        }
    }

    #[test]
    fn an_app_has_one_card_with_both_isas() {
        let html = write(&[comparison("aarch64", [300.0, 100.0, 200.0]), comparison("x86_64", [50.0, 100.0, 100.0])]);
        assert_eq!((html.matches("<section class=card id=").count(), html.matches("<rect class=ours ").count()), (1, 2));
        assert!(html.contains("3.0× less") && html.contains("2.0× more") && html.contains("the same"), "{html}");
        assert!(html.contains("Linux instead:</b> nothing &lt; something."));
        assert!(html.contains("a&lt;b") && html.contains("all of touch") && html.contains("one &amp; two") && !html.contains("a<b"));
        assert!(html.contains(&format!("width=\"{:.2}%\"", WIDEST / 3.0)), "bars have one scale from 0 on");
    }
}
