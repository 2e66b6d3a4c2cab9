//! The image, the compose file and the unit: looked at by their own tools; the last stage of the image is built and serves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{json, printed, program, python_tool, root, said, text};

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    printed(python_tool("hadolint").arg(root().join("Dockerfile")));
}

/// buildah with a store of its own.
struct Builder(tempfile::TempDir);

impl Builder {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut buildah = Command::new("buildah");
        buildah.arg("--root").arg(self.0.path().join("root")).arg("--runroot").arg(self.0.path().join("run"));
        buildah.args(arguments).env("STORAGE_DRIVER", "vfs").env("TMPDIR", self.0.path()).current_dir(root());
        buildah
    }
}

/// Ended with this, and all that runs in its file system.
struct Running {
    buildah: Child,
    within: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let inside = processes
            .filter(|process| std::fs::read_link(process.path().join("root")).is_ok_and(|at| at.starts_with(&self.within)));
        for process in inside {
            let kill = format!("kill -TERM {}", process.file_name().display());
            drop(Command::new("sh").args(["-c", &kill]).status());
        }
        drop(self.buildah.wait());
    }
}

/// The stages before it compile for ten minutes; what they hand on is made of the program that these tests were built beside.
#[test]
fn the_image_serves_without_root_and_without_a_shell() {
    let builder = Builder(tempfile::tempdir().unwrap());
    let stage = builder.0.path().join("stage");
    let made =
        Command::new(root().join("scripts/rootfs")).arg(tenantry_tests::binary()).arg(stage.join("rootfs")).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let notices = stage.join("rootfs/usr/share/doc/tenantry/NOTICES.gz");
    let notices = printed(Command::new("gunzip").arg("-c").arg(notices));
    for there in ["(jemalloc/COPYING)", "aws-lc-sys", "## react - "] {
        assert!(notices.contains(there), "{there}");
    }
    let context = format!("program={}", stage.display());
    printed(&mut builder.command(&["bud", "--isolation", "chroot", "--build-context", &context, "--tag", "tenantry", "."]));
    let image: Value = serde_json::from_str(&printed(&mut builder.command(&["inspect", "--type", "image", "tenantry"]))).unwrap();
    let config = &image["OCIv1"]["config"];
    assert_eq!((config["User"].as_str(), config["Entrypoint"][0].as_str()), (Some("65532:65532"), Some("/usr/bin/tenantry")));
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));

    let container = printed(&mut builder.command(&["from", "tenantry"])).trim().to_owned();
    let run = |arguments: &[&str]| {
        let mut all = vec!["run", "--isolation", "chroot", "--env", "TENANTRY_PUBLIC_URL=http://localhost"];
        all.extend(["--env", "TENANTRY_LISTEN=127.0.0.1:0", "--env", "TENANTRY_METRICS_LISTEN=127.0.0.1:0"]);
        all.extend(["--env", "TENANTRY_LOG_FORMAT=json", &container, "--"]);
        all.extend(arguments);
        builder.command(&all)
    };
    printed(&mut run(&["tenantry", "bootstrap", "--if-needed", "--output", "/var/lib/tenantry/credentials.txt"]));
    assert!(
        printed(&mut run(&["tenantry", "bootstrap", "--collect", "/var/lib/tenantry/credentials.txt"])).contains("client_secret")
    );
    assert!(!run(&["sh", "-c", "true"]).output().unwrap().status.success());

    let log = builder.0.path().join("log");
    let mut serve = run(&["tenantry", "serve"]);
    serve.stderr(std::fs::File::create(&log).unwrap()).stdout(Stdio::null());
    let _running = Running { buildah: serve.spawn().unwrap(), within: builder.0.path().to_owned() };
    let base = wait_for(&log, |line| Some(format!("http://{}", line["listen"].as_str()?)));
    printed(&mut run(&["tenantry", "ready", &base]));
    let process = wait_for(&log, |line| line["listen"].as_str().map(|_| owner(&base)));
    assert_eq!(process, 65532);
}

/// The first thing that `find` makes of a line of a log.
fn wait_for<T>(log: &Path, find: impl Fn(&Value) -> Option<T>) -> T {
    for _ in 0..600 {
        let text = std::fs::read_to_string(log).unwrap();
        let mut lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        if let Some(found) = lines.find_map(|line| find(&line)) {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{}", std::fs::read_to_string(log).unwrap());
}

/// Whose process listens there.
fn owner(base: &str) -> u32 {
    let port: u16 = base.rsplit(':').next().unwrap().parse().unwrap();
    let local = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().find(|line| line.split_whitespace().nth(1) == Some(&local)).expect("it listens");
    line.split_whitespace().nth(7).unwrap().parse().unwrap()
}

#[test]
fn the_bill_of_materials_names_what_is_linked_and_its_licence() {
    let bill: Value = serde_json::from_str(&printed(&mut Command::new(root().join("scripts/sbom")))).unwrap();
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<_> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    for there in ["actix-web", "sea-orm", "argon2", "aws-lc-rs", "react", "tenantry-accounts"] {
        assert!(names.contains(there), "{there}");
    }
    for not_linked in ["insta", "nextest", "vitest", "criterion", "openidconnect-tests"] {
        assert!(!names.contains(not_linked), "{not_linked}");
    }
    let without: Vec<_> = components.iter().filter(|one| one["licenses"].is_null()).map(|one| &one["name"]).collect();
    assert!(components.len() > 300 && without.is_empty(), "{} {without:?}", components.len());
}

#[test]
fn the_compose_file_names_files_and_settings_that_there_are() {
    let compose: Value = serde_saphyr::from_str(&text("compose.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&printed(program().args(["config", "schema"]))).unwrap();
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            assert!(!from.starts_with('.') || root().join(from).exists(), "{name}: {from}");
        }
        for setting in service["environment"].as_object().into_iter().flatten().map(|(name, _)| name) {
            if let Some(setting) = setting.strip_prefix("TENANTRY_") {
                assert!(schema["properties"][setting.to_lowercase()].is_object(), "{name}: {setting}");
            }
        }
    }
    let dashboard = json("helm/tenantry/files/dashboard.json");
    assert_eq!(dashboard["templating"]["list"][0]["query"], "prometheus");
    let prometheus: PathBuf = root().join("target/tools/prometheus/usr/bin/promtool");
    let promtool = if prometheus.exists() { prometheus } else { "promtool".into() };
    let check = ["check", "config", "--syntax-only", "deploy/compose/prometheus.yml"];
    printed(Command::new(promtool).args(check).current_dir(root()));
}

/// Looked at by systemd itself, where it is installed: with the program in the place that the unit names.
#[test]
fn systemd_takes_the_unit_and_calls_it_safe() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        panic!("systemd, which scripts/test installs")
    };
    assert!(version.status.success());
    let unit = text("deploy/systemd/tenantry.service");
    let directory = tempfile::tempdir().unwrap();
    let here = unit
        .replace("/usr/bin/tenantry", tenantry_tests::binary().to_str().unwrap())
        .replace("Documentation=man:tenantry(1)\n", "");
    let file = directory.path().join("tenantry.service");
    std::fs::write(&file, here).unwrap();
    let done = Command::new("systemd-analyze").arg("verify").arg(&file).output().unwrap();
    assert!(done.status.success() && !said(&done).contains("tenantry.service"), "{}", said(&done));
    // 0 is safe, 10 is not; what asks for the network cannot be below 1.
    printed(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&file));
}
