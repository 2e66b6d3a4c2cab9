//! The documents: links lead somewhere, and what is to be typed works.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tenantry_tests::{Program, TestDatabase, bootstrap, http};

use crate::{printed, root, said};

/// Every document for people, by its path from the root.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut wait = vec![PathBuf::new()];
    while let Some(directory) = wait.pop() {
        for entry in std::fs::read_dir(root().join(&directory)).unwrap().flatten() {
            let path = directory.join(entry.file_name());
            let name = entry.file_name().into_string().unwrap();
            let skipped =
                ["target", "node_modules", "data", "dist", "screenshots"].contains(&name.as_str()) || name.starts_with('.');
            if entry.file_type().unwrap().is_dir() {
                wait.extend((!skipped).then_some(path));
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 30, "{found:?}");
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Fenced blocks: their language and what they hold.
fn blocks(text: &str) -> Vec<(String, String)> {
    let (mut blocks, mut open): (Vec<(String, String)>, bool) = (Vec::new(), false);
    for line in text.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                blocks.push((language.trim().to_owned(), String::new()));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => blocks.last_mut().unwrap().1.extend([line, "\n"]),
            (None, false) => {}
        }
    }
    blocks
}

/// Names that a heading can be linked by.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// Targets of links and pictures, outside code.
fn links(text: &str) -> Vec<String> {
    let mut open = false;
    let prose = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        open ^= fence;
        !fence && !open
    });
    let prose: Vec<&str> = prose.flat_map(|line| line.split('`').step_by(2)).collect();
    prose.join("\u{0}").split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned())).collect()
}

/// `a/../b` as `b`.
fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(flat.pop()),
            part => flat.push(part),
        }
    }
    flat
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_of_it() {
    let mut looked_at = 0;
    for document in documents() {
        for link in links(&text(&document)).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { document.clone() } else { flat(&document.parent().unwrap().join(file)) };
            assert!(root().join(&target).exists(), "{}: {link}", document.display());
            assert!(heading.is_empty() || anchors(&text(&target)).contains(heading), "{}: {link}", document.display());
            looked_at += 1;
        }
    }
    assert!(looked_at > 60, "{looked_at}");
}

#[test]
fn every_snippet_of_settings_or_json_can_be_read() {
    for document in documents() {
        for (language, block) in blocks(&text(&document)) {
            let name = document.display();
            match language.as_str() {
                "json" => assert!(serde_json::from_str::<Value>(&block).is_ok(), "{name}: {block}"),
                "yaml" => assert!(serde_saphyr::from_str::<Value>(&block).is_ok(), "{name}: {block}"),
                "sh" | "sh run" => {
                    let done = Command::new("bash").args(["-n", "-c", &block]).output().unwrap();
                    assert!(done.status.success(), "{name}: {}: {block}", said(&done));
                }
                "" | "text" | "rust" | "http" | "mermaid" | "toml" => {}
                other => panic!("{name}: a block of {other}"),
            }
        }
    }
}

/// What a document tells to type, typed in one shell in this directory, but for the port; yields what is seen.
fn typed(document: &str, directory: &Path) -> String {
    let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let lines: Vec<String> = blocks(&text(Path::new(document)))
        .into_iter()
        .filter(|(language, _)| language == "sh run")
        .map(|(_, block)| block)
        .collect();
    assert!(lines.len() >= 6);
    let here = format!("127.0.0.1:{}", port());
    let script = format!(
        "set -eumx\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}",
        lines.concat().replace("127.0.0.1:8080", &here)
    );
    let program = tenantry_tests::binary();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.parent().unwrap().display());
    let mut typed = Command::new("timeout");
    typed.args(["--kill-after=5", "120", "bash", "-c", &script]).env_clear().env("PATH", path).current_dir(directory);
    typed.env("TENANTRY_LISTEN", &here).env("TENANTRY_METRICS_LISTEN", format!("127.0.0.1:{}", port()));
    let done = typed.output().unwrap();
    let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
    assert!(done.status.success(), "{}\n{log}", said(&done));
    said(&done)
}

#[test]
fn the_operators_first_day_goes_as_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let told = typed("docs/operating.md", directory.path());
    assert!(
        told.contains("the configuration is valid") && told.contains("is whole") && told.contains("restored the backup"),
        "{told}"
    );
    let left = std::fs::read_dir(directory.path().join("data")).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().contains("replaced")).count(), 1);
}

#[test]
fn the_quickstart_goes_as_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let told = typed("docs/quickstart.md", directory.path());
    for seen in
        ["3 to make, 0 to change, 0 to remove", "the account is as the file says", "T11200001   Corner shop", "ola@example.com"]
    {
        assert!(told.contains(seen), "{seen}: {told}");
    }
}

/// Codes stand in the sources where they are given, and on one page.
#[test]
fn every_error_is_on_the_page_of_errors() {
    let page = text(Path::new("docs/errors.md"));
    let sources = ["crates/domain/src/error.rs", "crates/api/src/error.rs"].map(|path| text(Path::new(path)));
    let given: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.trim().split_once(" => \"")?.1.strip_suffix("\","))
        .collect();
    let told: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(given.len() > 30);
    assert_eq!(given, told);
}

/// The site as the server has it: every address in it is there, the alerts' runbooks among them, and no page needs more than its
/// policy lets it do.
#[actix_web::test]
async fn the_guide_is_served_whole() {
    printed(&mut Command::new(root().join("scripts/guide")));
    let database = TestDatabase::create().await;
    bootstrap(&database);
    let server = Program::serve(&database);
    let get = async |path: &str| {
        let answer = http().get(format!("{}{path}", server.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    };
    let runbooks = crate::text("helm/tenantry/files/rules.yaml");
    let runbooks =
        runbooks.lines().filter_map(|line| line.split_once("runbook_url: ")).map(|(_, address)| address.trim().trim_matches('"'));
    let mut wait: Vec<String> = runbooks.map(|address| address[address.find("/docs/guide/").unwrap()..].to_owned()).collect();
    assert_eq!(wait.len(), 17);
    wait.push("/docs/guide/".to_owned());
    let (mut seen, mut pages) = (BTreeSet::new(), 0);
    while let Some(path) = wait.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let (status, headers, text) = get(&path).await;
        assert_eq!(status, 200, "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("style-src 'self'; img-src 'self'; connect-src"));
        if headers["content-type"] != "text/html; charset=utf-8" {
            continue;
        }
        pages += 1;
        assert_eq!((text.matches("<script").count(), text.matches("aria-current").count()), (1, 1), "{path}");
        for refused in [" style=\"", "<style", "<iframe", " onclick=", "src=\"http", "<link rel=\"stylesheet\" href=\"http"] {
            assert!(!text.contains(refused), "{path}: {refused}");
        }
        let ids: BTreeSet<&str> = text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let links = text.split(" href=\"").chain(text.split(" src=\"")).filter_map(|rest| rest.split('"').next());
        for link in links.filter(|link| !link.contains(['<', ':', '\n']) && !link.is_empty()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            assert!(!file.is_empty() || heading.is_empty() || ids.contains(heading), "{path}: {link}");
            if !file.starts_with('/') && !file.is_empty() {
                let at = flat(&Path::new(&path).join("..").join(file));
                let at = if path.ends_with('/') { flat(&Path::new(&path).join(file)) } else { at };
                wait.push(at.to_str().unwrap().to_owned());
            }
        }
    }
    assert!(pages > 45, "{pages}");
    assert_eq!(get("/docs/guide/theme/guide.js").await.1["content-type"], "text/javascript; charset=utf-8");
    let (_, _, found) = get("/docs/guide/search.json").await;
    let found: Vec<(String, String, String, String)> = serde_json::from_str(&found).unwrap();
    assert!(found.iter().any(|(address, ..)| address == "operating.html#another-master-key"));
    assert_eq!(get("/docs/guide/nowhere.html").await.0, 404);
    assert_eq!(get("/docs/guide/theme/").await.0, 404, "nobody lists a directory");
    assert_eq!(get("/docs/guide").await.0, 308, "it leads to the one with a slash");
}

#[test]
fn the_page_of_scopes_is_what_the_program_serves() {
    let program = tenantry_tests::binary();
    let printed = printed(Command::new(root().join("scripts/scopes")).arg(program).env_remove("TENANTRY_TEST_POSTGRES"));
    assert!(printed == crate::text("docs/scopes.md"), "make docs");
}

#[test]
fn the_page_of_licences_is_what_the_program_is_made_of() {
    assert!(printed(&mut Command::new(root().join("scripts/licences"))) == crate::text("docs/licences.md"), "make docs");
}

/// The files of code, ours and the console's, as one text each.
fn code() -> Vec<(PathBuf, String)> {
    let (mut found, mut wait) = (Vec::new(), ["crates", "tests", "migration", "entity"].map(PathBuf::from).to_vec());
    while let Some(directory) = wait.pop() {
        for entry in std::fs::read_dir(root().join(&directory)).unwrap().flatten() {
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                wait.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push((path.clone(), text(&path)));
            }
        }
    }
    found
}

/// The functions of a text that are run as tests: an attribute says so, among other attributes and comments right before them.
fn tests(text: &str) -> BTreeSet<&str> {
    let (mut tests, mut is_test) = (BTreeSet::new(), false);
    for line in text.lines().map(str::trim) {
        if matches!(line, "#[test]" | "#[actix_web::test]" | "#[actix_rt::test]") {
            is_test = true;
        } else if !line.starts_with("#[") && !line.starts_with("///") {
            let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            tests.extend(name.filter(|_| is_test));
            is_test = false;
        }
    }
    tests
}

/// Whatever is said to be so is shown by a test or a line that is there.
#[test]
fn every_requirement_of_asvs_has_a_word_and_what_is_met_has_evidence() {
    let (code, mut ids, mut of_level) = (code(), BTreeSet::new(), [0, 0]);
    let tests: BTreeSet<_> = code.iter().flat_map(|(_, text)| tests(text)).collect();
    assert!(tests.len() > 500);
    let table = text(Path::new("docs/asvs.csv"));
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("id,level,applies,status,evidence,note"));
    for line in lines {
        let fields: Vec<&str> = line.splitn(6, ',').collect();
        let [id, level, applies, status, evidence, note] = fields[..] else { panic!("{line}") };
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        of_level[level.parse::<usize>().unwrap() - 1] += 1;
        match (applies, status) {
            ("yes", "met") => assert!(!evidence.is_empty(), "{line}"),
            ("yes", "partly" | "not met") | ("no", "") => assert!(!note.is_empty(), "{line}"),
            _ => panic!("{line}"),
        }
        // Quoted where it has quotes in it.
        let evidence =
            evidence.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(evidence).replace("\"\"", "\"");
        for one in evidence.split("; ").filter(|one| !one.is_empty()) {
            let found = match one.split_once(':').unwrap() {
                ("test", name) => tests.contains(name),
                ("doc", file) => root().join(file).exists(),
                ("code", place) => place.split_once('#').is_some_and(|(file, anchor)| {
                    !anchor.is_empty() && root().join(file).is_file() && text(Path::new(file)).contains(anchor)
                }),
                _ => false,
            };
            assert!(found, "{id}: there is no {one}");
        }
    }
    assert_eq!(of_level, [70, 183], "of levels 1 and 2 of ASVS 5.0.0");
}

/// The tests that the threat model names are where it says.
#[test]
fn what_the_threat_model_names_is_there() {
    let (code, model) = (code(), text(Path::new("docs/threat-model.md")));
    let mut named = 0;
    for name in model.split('`').skip(1).step_by(2) {
        let found = match name.split("::").collect::<Vec<_>>()[..] {
            [_, .., "x"] => continue,
            [part, .., module, test] => {
                let of = |path: &Path| {
                    let path = path.to_str().unwrap();
                    path.contains(&format!("/{part}/"))
                        && (path.contains(&format!("/{module}.rs")) || path.contains(&format!("/{module}/")))
                };
                code.iter().any(|(path, text)| of(path) && tests(text).contains(test))
            }
            [file] if file.contains('/') && !file.contains(['{', ' ', ':']) && !file.starts_with('/') => {
                root().join(file).exists()
            }
            _ => continue,
        };
        assert!(found, "{name}");
        named += 1;
    }
    assert!(named > 100, "{named}");
}
