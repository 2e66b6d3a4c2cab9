//! Rules and dashboard: valid to Prometheus' own tools, about metrics that there are, each alert with its page.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::{files, json, printed, root, text};

const RULES: &str = "helm/tenantry/files/rules.yaml";
const DASHBOARD: &str = "helm/tenantry/files/dashboard.json";

fn promtool(arguments: &[&str]) -> Command {
    let unpacked = root().join("target/tools/prometheus/usr/bin/promtool");
    let mut promtool = if unpacked.exists() { Command::new(unpacked) } else { Command::new("promtool") };
    promtool.args(arguments).current_dir(root());
    promtool
}

/// Every rule.
fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&text(RULES)).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<String> {
    rules().iter().filter_map(|rule| rule["alert"].as_str()).map(str::to_owned).collect()
}

/// Every expression of the dashboard, as Grafana asks it.
fn expressions() -> Vec<String> {
    let dashboard = json(DASHBOARD);
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten().map(|target| &target["expr"]);
    let said = targets.chain(dashboard["annotations"]["list"].as_array().unwrap().iter().map(|note| &note["expr"]));
    said.map(|expr| tenantry_tests::asked(expr.as_str().unwrap())).collect()
}

/// Names in an expression that are ours or the process's.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("tenantry_") || word.starts_with("process_"))
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_fires_when_it_should() {
    printed(&mut promtool(&["check", "rules", RULES]));
    printed(&mut promtool(&["test", "rules", "tests/ops/rules.test.yaml"]));
    let tested = text("tests/ops/rules.test.yaml");
    for alert in alerts() {
        assert_eq!(tested.matches(&format!("alertname: {alert}\n")).count(), 1, "{alert} is not seen to fire");
        assert_eq!(tested.matches(&format!("alertname: {alert},")).count(), 1, "{alert} is not seen to be quiet");
    }
}

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let pages: Vec<_> = files("docs/runbooks", ".md").into_iter().filter(|page| page != "README.md").collect();
    let alerts: BTreeSet<_> = alerts().into_iter().map(|alert| format!("{alert}.md")).collect();
    assert_eq!(pages, alerts.into_iter().collect::<Vec<_>>());
    for rule in rules().iter().filter(|rule| rule["alert"].is_string()) {
        let named = format!("/docs/guide/runbooks/{}.html", rule["alert"].as_str().unwrap());
        assert_eq!(rule["annotations"]["runbook_url"], named);
    }
    for page in pages {
        let text = text(&format!("docs/runbooks/{page}"));
        for part in ["## What it means", "## Look", "## Do"] {
            assert!(text.contains(part), "{page} lacks {part}");
        }
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let (known, rules) = (text("docs/metrics.md"), rules());
    let recorded: Vec<_> = rules.iter().filter_map(|rule| rule["record"].as_str()).collect();
    let said: Vec<_> = rules.iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).chain(expressions()).collect();
    let mut seen = 0;
    for expression in &said {
        for metric in metrics(expression).filter(|word| !word.contains(':')) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric);
            let histogram = known.contains(&format!("| `{base}` | histogram |"));
            let listed = if base == metric { known.contains(&format!("| `{metric}` |")) } else { histogram };
            assert!(listed, "{metric} in {expression}");
            seen += 1;
        }
        for named in expression.split(|c: char| c.is_whitespace() || c == '(').filter(|word| word.contains(":tenantry_")) {
            assert!(recorded.contains(&named), "{named}");
        }
    }
    assert!(seen > 60, "{seen}");
}

/// After a change of `scripts/dashboard`: `make docs`.
#[test]
fn the_dashboard_is_what_its_script_prints_and_asks_what_prometheus_understands() {
    assert_eq!(printed(&mut Command::new(root().join("scripts/dashboard"))), text(DASHBOARD));
    let asked = expressions().into_iter().enumerate();
    let rules: Vec<_> = asked.map(|(at, expr)| json!({"record": format!("dashboard:{at}"), "expr": expr})).collect();
    let file = std::env::temp_dir().join(format!("tenantry-dashboard-{}.yaml", std::process::id()));
    std::fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    printed(&mut promtool(&["check", "rules", file.to_str().unwrap()]));
    std::fs::remove_file(file).unwrap();
}
